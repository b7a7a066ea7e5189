"""The run folder of a run in progress: its files are written so that no reader sees half a file."""

import contextlib
import datetime
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

import fedrec
from fedrec import protocol
from fedrec.config.config import Config
from fedrec.config.keys import config_hash, flatten, to_toml
from fedrec.config.start_file import COPY, start_content
from fedrec.errors import FedrecError, ResourceError
from fedrec.factory.devices import device_fallback
from fedrec.files.atomic import file_sha256, sha256, write_file
from fedrec.files.machine import machine_facts
from fedrec.models.parameters import NamedArrays
from fedrec.runs import checksums
from fedrec.runs.directory import prepare_run_dir, remove_drafts
from fedrec.runs.record import COMPLETE, FORMAT, read_about
from fedrec.runs.redaction import hide_secrets_in_text
from fedrec.runs.write import append_round, cut_rounds, write_about
from server.lifecycle.start_record import start_record

INTERRUPTS = {130: "Ctrl-C", 143: "SIGTERM"}
RESULTS = (
    *("metrics.json", "users.csv", "items.csv", "ranks.npz", "report.html"),
    *("items.json", "frozen.safetensors"),
)
PACKAGES = ("flwr", "ray", "torch", "sentence-transformers", "numpy", "pandas")


class RunFolder:
    """Folder of one run, which this process has locked, and the facts of its run.json.

    Args:
        path: Folder of the run, absolute.
        about: Facts of run.json.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self._has_begun = False  # until then nothing in the folder is changed
        self._identity = _identity(path)
        self._history: int | None = None  # bytes of rounds.jsonl, after a line of this process

    @classmethod
    def create(cls, path: Path, config: Config, *, engine: str, command: str) -> "RunFolder":
        """Create the folder of a run; it may be new, empty, or of a run that never began a round.

        Args:
            path: Folder of the run, absolute.
            config: Config of the run.
            engine: Name of the engine.
            command: Command that repeats the run.

        Raises:
            ConfigError: The folder is not empty and ``run.overwrite`` is off.
            ResourceError: It cannot be written.
        """
        start = start_record(path, config)
        content = start_content(config.run.start_from) if start else b""
        prepare_run_dir(path, overwrite=config.run.overwrite or config.run.resume)
        if start:
            write_file(path / COPY, content)
        command = hide_secrets_in_text(command, flatten(config))
        about = {"format": FORMAT, "status": "running", "reason": "", "exit_code": None}
        about |= {"name": path.name, "command": command, "engine": engine, "seed": config.seed}
        about |= {"checkpoint_every": config.run.checkpoint_every}
        about |= {"config_hash": config_hash(config), "code": protocol.code_fingerprint()}
        about |= {"versions": versions(), "machine": machine_facts()}
        about |= {"started": _now(), "resumed": []}
        about |= {"keep_client_state": True} if config.run.keep_client_state else {}
        if config.adapted:
            about["adapted"] = list(config.adapted)
        about |= {"start_from": start} if start else {}
        folder = cls(path, about)
        # Wherever there is a run.json, the config is there too.
        write_file(path / "config.toml", text := folder.config_text(config))
        about[checksums.CONFIG] = sha256(text)
        try:
            folder.describe()
        except BaseException:
            (path / "config.toml").unlink(missing_ok=True)
            raise
        folder.log(f"started: {command}")
        for line in config.adapted:
            folder.log(line)
        if fell_back := device_fallback(config):
            folder.log(fell_back)
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of a run that may be resumed; nothing in it is changed yet.

        Raises:
            DataError: The run.json is damaged or of another format.
        """
        return cls(path, read_about(path))

    def resume(
        self,
        after: int,
        engine: str,
        notes: Sequence[str],
        config: Config,
        extension: Mapping[str, Any] | None = None,
    ) -> None:
        """Resume the run after one of its rounds; run.json records that.

        Args:
            after: Round of the checkpoint.
            engine: Name of the engine from now on.
            notes: Notes about this resumption.
            config: Config of the run from now on.
            extension: Record of an extension to another number of rounds, if one begins.
        """
        # First, since readers that follow the run read on from here.
        cut_rounds(self.path / "rounds.jsonl", after)
        remove_drafts(self.path)
        once = {"after": after, "engine": engine, "at": _now(), "notes": list(notes)}
        self.about = {k: v for k, v in self.about.items() if k not in checksums.OF_FILES}
        self.about["resumed"] = [*self.about.get("resumed", []), once]
        if extension is not None:
            self.about["extended"] = [*self.about.get("extended", []), {**extension, "at": _now()}]
            self.about |= {"config_hash": config_hash(config), "client_state": None}
        self.describe(status="running", reason="", exit_code=None, finished=None)
        self._follow_extension(config)
        self.describe(**{checksums.CONFIG: file_sha256(self.path / "config.toml")})
        self.log(f"resumed after round {after} on engine {engine}")
        for note in notes:
            self.log(note)

    def config_text(self, config: Config) -> bytes:
        """Text of config.toml: it names the weights to start from where they came from."""
        if start := self.about.get("start_from"):
            config = replace(config, run=replace(config.run, start_from=start["source"]))
        return to_toml(config).encode()

    def _follow_extension(self, config: Config) -> None:
        """Bring an extended run's files in line with run.json, also after a kill in between."""
        if "extended" not in self.about:
            return
        write_file(self.path / "config.toml", self.config_text(config))
        for name in RESULTS:  # of the fewer rounds
            (self.path / name).unlink(missing_ok=True)

    def describe(self, **facts: Any) -> None:
        """Add facts to run.json."""
        self._has_begun = True
        self.about |= facts
        write_about(self.path / "run.json", self.about)

    def check_in_place(self) -> None:
        """Check that the folder is still the one that this run has filled.

        A write into a folder that was deleted, moved or emptied would make a new one without the
        rounds before it, and the run would end as if nothing were missing.

        Raises:
            ResourceError: Another folder or none is there now, or a file of the run is missing.
        """
        if self._identity is None or (found := _identity(self.path)) is None:
            seen = "is gone"
        elif found != self._identity:
            seen = "is another folder now"
        elif missing := [n for n in ("config.toml", "run.json") if not (self.path / n).exists()]:
            seen = f"has lost {missing[0]}"
        elif self._history is not None and _size(self.path / "rounds.jsonl") != self._history:
            seen = "has another rounds.jsonl than this run wrote"
        else:
            return
        raise ResourceError(
            f"run folder {self.path} {seen}; it was deleted, moved or changed while the run went "
            "on. Leave it in place until the run ends, and start the run again"
        )

    def add_round(self, line: dict[str, Any]) -> None:
        """Append a line to rounds.jsonl, and its summary to the log.

        Raises:
            ResourceError: The disk is full, or the folder is not in place any more.
        """
        self.check_in_place()
        append_round(self.path / "rounds.jsonl", line)
        self._history = _size(self.path / "rounds.jsonl")
        loss = "-" if line["train_loss"] is None else f"{line['train_loss']:.4f}"
        found, count = line["validation"], line.get("validation_users")
        shown = f", validation NDCG@10 {found['NDCG@10']:.4f}" if found else ""
        shown += f" ({count:,} users)" if found and count else ""
        self.log(f"round {line['round']}: loss {loss}{shown}")
        for one in line["excluded"]:
            self.log(f"round {line['round']}: excluded {_who(one)}: {one['reason']}")

    def save_weights(self, weights: NamedArrays) -> None:
        """Write model.safetensors in float32.

        Raises:
            ResourceError: The disk is full, or the folder is not in place any more.
        """
        self.check_in_place()
        arrays = {name: np.asarray(a, dtype=np.float32, order="C") for name, a in weights.items()}
        write_file(self.path / "model.safetensors", save(arrays))

    def finish(self, status: str, **facts: Any) -> None:
        """Close the run as done or degraded, with the checksums of its files.

        Raises:
            ResourceError: The folder is not in place any more, or cannot be read or written.
        """
        self.check_in_place()
        try:
            facts[checksums.KEY] = checksums.checksums(self.path)
        except OSError as error:
            raise ResourceError(f"{self.path} cannot be read: {error.strerror}") from None
        self.describe(status=status, exit_code=0, finished=_now(), **facts)
        self.log(status)

    def fail(self, error: BaseException, exit_code: int) -> None:
        """Close the run as failed or interrupted, with the reason, unless it never began."""
        if not self._has_begun or self.about.get("status") in COMPLETE:
            return
        if _identity(self.path) != self._identity:
            return  # whatever lies there now is not this run's
        status = "interrupted" if exit_code in INTERRUPTS else "failed"
        reason = INTERRUPTS.get(exit_code) or (
            str(error) if isinstance(error, FedrecError) else f"{type(error).__name__}: {error}"
        )
        # On a full disk not even this can be written; that must not hide the error itself.
        with contextlib.suppress(FedrecError, OSError):
            excluded = dict(error.excluded) if isinstance(error, FedrecError) else {}
            facts: dict[str, Any] = {"excluded": excluded} if excluded else {}
            facts[checksums.KEY] = checksums.checksums(self.path)
            self.describe(
                status=status, reason=reason, exit_code=exit_code, finished=_now(), **facts
            )
            for occasion, ones in excluded.items():
                for one in ones:
                    self.log(f"{occasion}: excluded {_who(one)}: {one['reason']}")
            self.log(f"{status}: {reason}")

    def log(self, text: str) -> None:
        """Append a line to log.txt.

        Raises:
            ResourceError: The disk is full.
        """
        try:
            with (self.path / "log.txt").open("a", encoding="utf-8") as file:
                file.write(f"{_now()} {text}\n")
        except OSError as error:
            raise ResourceError(
                f"{self.path / 'log.txt'} cannot be written: {error.strerror}"
            ) from None


def versions() -> dict[str, str]:
    """Versions of the packages that can change what is computed."""
    found = {"fedrec": fedrec.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _who(one: Mapping[str, Any]) -> str:
    """Name of an excluded client, as rounds.jsonl records it."""
    who = f"partition {one['partition']}"
    return f"user {one['user']} of {who}" if "user" in one else who


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _size(path: Path) -> int | None:
    """Bytes of a file; None where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
