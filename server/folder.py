"""The run folder: what a run leaves, written so that a reader never sees half a file."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

import fedrec
from fedrec import protocol
from fedrec.config import Config
from fedrec.config_keys import config_hash, flatten, to_toml
from fedrec.errors import FedrecError
from fedrec.models.parameters import NamedArrays
from fedrec.report.history import append_round, replace_file, write_json
from fedrec.report.redaction import hide_secrets_in_text
from server.place import make_room

FORMAT = 1  # of the run folder
PACKAGES = ("flwr", "ray", "torch", "sentence-transformers", "numpy", "pandas")


class RunFolder:
    """One run's folder and what run.json says of it.

    Args:
        path: an absolute folder that is new, empty, or left by a run that never began a round.
        config: of the run.
        engine: what carries the messages.
        command: that repeats the run.

    Raises:
        ConfigError: the folder holds something and ``run.overwrite`` is off.
        ResourceError: it cannot be written.
    """

    def __init__(self, path: Path, config: Config, *, engine: str, command: str) -> None:
        self.path = path
        command = hide_secrets_in_text(command, flatten(config))
        make_room(path, overwrite=config.run.overwrite)
        self.about: dict[str, Any] = {
            "format": FORMAT,
            "status": "running",
            "reason": "",
            "exit_code": None,
            "name": path.name,
            "command": command,
            "engine": engine,
            "seed": config.seed,
            "config_hash": config_hash(config),
            "code": protocol.code_fingerprint(),
            "versions": _versions(),
            "machine": _machine(),
            "started": _now(),
        }
        self.describe()
        replace_file(path / "config.toml", to_toml(config).encode())
        self.log(f"started: {command}")

    def describe(self, **facts: Any) -> None:
        """Add facts to run.json."""
        self.about |= facts
        write_json(self.path / "run.json", self.about)

    def add_round(self, line: dict[str, Any]) -> None:
        """Append a line to rounds.jsonl and say so in the log."""
        append_round(self.path / "rounds.jsonl", line)
        loss = "-" if line["train_loss"] is None else f"{line['train_loss']:.4f}"
        judged = line["validation"]
        shown = "" if judged is None else f", validation NDCG@10 {judged['NDCG@10']:.4f}"
        self.log(f"round {line['round']}: loss {loss}{shown}")
        for one in line["dropped"]:
            self.log(
                f"round {line['round']}: left out partition {one['partition']}: {one['reason']}"
            )

    def save_weights(self, weights: NamedArrays) -> None:
        """Write model.safetensors in float32."""
        arrays = {name: np.asarray(a, dtype=np.float32, order="C") for name, a in weights.items()}
        replace_file(self.path / "model.safetensors", save(arrays))

    def finish(self, status: str, **facts: Any) -> None:
        """Close the run as done or degraded."""
        self.describe(status=status, exit_code=0, finished=_now(), **facts)
        self.log(status)

    def fail(self, error: BaseException, exit_code: int) -> None:
        """Close the run as failed or interrupted, with the reason."""
        reason = (
            str(error) if isinstance(error, FedrecError) else f"{type(error).__name__}: {error}"
        )
        status = "interrupted" if exit_code in (130, 143) else "failed"
        self.describe(status=status, reason=reason, exit_code=exit_code, finished=_now())
        self.log(f"{status}: {reason}")

    def log(self, text: str) -> None:
        """Append a line to log.txt."""
        with (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{_now()} {text}\n")


def _versions() -> dict[str, str]:
    found = {"fedrec": fedrec.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "platform": platform.platform(),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
