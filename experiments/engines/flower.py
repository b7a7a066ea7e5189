"""Run on engine "flower": Flower's own simulation, from start to end.

The app is written into a scratch folder from the packages that are imported here, so a checkout
and an installed wheel behave alike, and its pyproject.toml holds the resolved config of the run.
"""

import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fedrec
from experiments.engines.flower_service import (
    LOCAL_ENCODERS,
    Service,
    end_run,
    flower_command,
    last_error,
    service,
)
from fedrec.config.config import Config
from fedrec.config.keys import flatten, toml_value
from fedrec.config.user_code import user_code_names
from fedrec.errors import FedrecError, ResourceError
from fedrec.files.atomic import write_file
from fedrec.runs.record import COMPLETE, read_json
from fedrec.runs.write import write_about
from server.lifecycle.signals import interruption_code
from server.lifecycle.stop_file import clear_stop_request, request_stop
from server.messages.failures import KINDS, error_of

SAVE_SECONDS = 15.0  # for a checkpoint after Ctrl-C, from a server that looks 10 times a second
APP = "fedrec-app"
PACKAGES = ("fedrec", "clients", "server")
COMPONENTS = ("server.app:app", "clients.app:app")
POLL_SECONDS = 0.3
STATUS_SECONDS = 5.0  # `flwr ls` costs a second of a core

Record = dict[str, Any]


def run_on_flower(
    config: Config, folder: Path, *, command: str, on_round: Callable[[Record], None]
) -> Path:
    """Run a federation on Flower's simulation engine and return its run folder.

    Args:
        config: Resolved, with absolute paths.
        folder: The run folder, absolute; the server makes it.
        command: What the user typed, for run.json.
        on_round: Gets each record of rounds.jsonl as it is written.

    Raises:
        FedrecError: The run failed; message and exit code are those of run.json, or the log's
            last error when the run did not come so far.
    """
    with tempfile.TemporaryDirectory(prefix="fedrec-", ignore_cleanup_errors=True) as scratch:
        app = Path(scratch) / APP
        write_app(app, config, folder)
        before = _stamp(folder / "run.json")
        with service(Path(scratch), _settings(config, command)) as running:
            run_id = submit(running, app, config)
            try:
                status = _follow(running, run_id, folder, before, on_round)
            except KeyboardInterrupt as stop:
                code = interruption_code(stop)
                try:
                    _let_it_save(folder, before, code)
                    end_run(running)
                finally:  # who presses Ctrl-C again does not wait for that
                    _close(folder, before, "interrupted", "interrupted by the user", code)
                raise
            return _outcome(running, run_id, folder, before, status)


def write_app(
    app: Path, config: Config, folder: Path, components: tuple[str, str] = COMPONENTS
) -> None:
    """Write a Flower app folder: our packages, and the run's config as the app's defaults.

    Copies, because Flower's bundle leaves out symbolic links; values in the file, because the
    command line of Flower has its own rules of quoting.

    Args:
        app: Folder to make.
        config: Config of the run.
        folder: Folder of the run.
        components: ServerApp and ClientApp, each as "module:name".
    """
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise ResourceError(f"package {name!r} is not importable; install fedrec again")
        source = Path(next(iter(spec.submodule_search_locations)))
        shutil.copytree(source, app / name, ignore=shutil.ignore_patterns("__pycache__"))
    lines = [
        "[project]",
        'name = "fedrec"',
        f'version = "{fedrec.__version__}"',
        'license = "Apache-2.0"',
        'description = "One run of fedrec"',
        "[tool.flwr.app]",
        'publisher = "fedrec"',
        "[tool.flwr.app.components]",
        f'serverapp = "{components[0]}"',
        f'clientapp = "{components[1]}"',
        "[tool.flwr.app.config]",
    ]
    values = flatten(config) | {"run.dir": str(folder)}
    lines += [f"{json.dumps(key)} = {toml_value(value)}" for key, value in values.items()]
    (app / "pyproject.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _settings(config: Config, command: str) -> dict[str, str]:
    settings = {"FEDREC_COMMAND": command}
    if config.semantics.encoder in LOCAL_ENCODERS:
        settings["HF_HUB_OFFLINE"] = "1"
    if user_code_names(config):
        # The user's own module lies where the command was typed.
        settings["PYTHONPATH"] = str(Path.cwd())
    return settings


def submit(running: Service, app: Path, config: Config) -> int:
    """Hand an app over to the service; Flower's number of the run.

    Raises:
        ResourceError: Flower did not take it.
    """
    resources = f"num-supernodes={config.partition.count} client-resources-num-cpus=1"
    if config.device == "cuda":
        resources += " client-resources-num-gpus=1"
    answer = _flower(running, "run", str(app), "local", "--federation-config", resources)
    if "run-id" not in answer:
        reason = (
            answer.get("error-message")
            or answer.get("output")
            or last_error(running.log.read_text(errors="replace"))
        )
        raise ResourceError(f"Flower did not take the run: {reason}")
    return int(answer["run-id"])


def run_status(running: Service, run_id: int) -> str:
    """``pending``, ``running`` or ``finished:completed|failed|stopped`` in Flower's words."""
    runs = _flower(running, "ls", "--run-id", str(run_id)).get("runs") or [{}]
    return str(runs[0].get("status", "unknown"))


def _flower(running: Service, verb: str, *arguments: str) -> Record:
    """Run a command of Flower's against the service; its JSON answer, or its output."""
    done = subprocess.run(
        [flower_command("flwr"), verb, *arguments, "--format", "json"],
        cwd=running.working_folder,
        env=running.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    start = done.stdout.find("{")
    with contextlib.suppress(json.JSONDecodeError):
        answer: Record = json.loads(done.stdout[start:]) if start >= 0 else {}
        if answer:
            return answer
    return {"output": " ".join((done.stderr or done.stdout).split())[-400:]}


def _follow(
    running: Service,
    run_id: int,
    folder: Path,
    before: tuple[int, int] | None,
    on_round: Callable[[Record], None],
) -> str:
    """Hand on the rounds as they come; the run's final status as Flower sees it."""
    rounds = _new_rounds(folder, before)
    next_status = time.monotonic() + STATUS_SECONDS
    while True:
        for record in next(rounds):
            on_round(record)
        if running.process.poll() is not None:
            return "finished:service ended"
        ended = _about(folder, before).get("status", "running") != "running"
        if ended or time.monotonic() >= next_status:
            status = run_status(running, run_id)
            if status.startswith("finished"):
                for record in next(rounds):
                    on_round(record)
                return status
            next_status = time.monotonic() + STATUS_SECONDS
        time.sleep(POLL_SECONDS)


def _new_rounds(folder: Path, before: tuple[int, int] | None) -> Iterator[list[Record]]:
    """Each time it is asked: the records of rounds.jsonl that were written since."""
    read = 0
    while True:
        lines: list[bytes] = []
        if _about(folder, before):
            with contextlib.suppress(FileNotFoundError), (folder / "rounds.jsonl").open("rb") as f:
                f.seek(read)
                lines = f.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        read += sum(map(len, whole))
        yield [json.loads(line) for line in whole]


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced; None without a file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def _about(folder: Path, before: tuple[int, int] | None) -> Record:
    """run.json of this run; empty while there is none or an older run's."""
    path = folder / "run.json"
    if _stamp(path) in (None, before):
        return {}
    return read_json(path)


def _close(
    folder: Path, before: tuple[int, int] | None, status: str, reason: str, exit_code: int
) -> None:
    """Say in run.json how a run ended whose server could not say it any more."""
    about = _about(folder, before)
    if about.get("status") == "running":
        end = {"status": status, "reason": reason, "exit_code": exit_code}
        write_about(folder / "run.json", about | end)


def _let_it_save(folder: Path, before: tuple[int, int] | None, exit_code: int) -> None:
    """Ask the server to write a checkpoint and end; no signal reaches it inside Flower."""
    if _about(folder, before).get("status") != "running":
        return
    request_stop(folder, exit_code)
    deadline = time.monotonic() + SAVE_SECONDS
    try:
        while time.monotonic() < deadline and _about(folder, before).get("status") == "running":
            time.sleep(POLL_SECONDS)
    finally:
        clear_stop_request(folder)  # if it has not looked: it is ended now, and no other is meant


def _outcome(
    running: Service, run_id: int, folder: Path, before: tuple[int, int] | None, status: str
) -> Path:
    """The run folder of a run that is complete, else the error that tells why it is not."""
    about = _about(folder, before)
    if about.get("status") in COMPLETE and status == "finished:completed":
        return folder
    log = _log(running, run_id)
    if about:
        _keep_log(folder, log)
    if about.get("status") == "failed":
        raise error_of(int(about.get("exit_code") or FedrecError.exit_code), str(about["reason"]))
    # Before the run folder or after its last line: only the log knows.
    kinds: dict[str, type[FedrecError]] = {kind.__name__: kind for kind in KINDS.values()}
    error = FedrecError(f"Flower ended the run as {status!r}: {last_error(log)}")
    if found := re.findall(rf"\b({'|'.join(kinds)}): (.*)", log):
        error = kinds[found[-1][0]](found[-1][1])
    _close(folder, before, "failed", str(error), error.exit_code)
    raise error


def _keep_log(folder: Path, log: str) -> None:
    """Put Flower's log into the run's folder, if it has room: why the run ended is told anyway."""
    with contextlib.suppress(ResourceError):
        write_file(folder / "engine.log", log.encode())


def _log(running: Service, run_id: int) -> str:
    """What the ServerApp and Ray printed; Flower keeps it apart from the service's own log."""
    done = subprocess.run(
        [flower_command("flwr"), "log", str(run_id), "local", "--show"],
        cwd=running.working_folder,
        env=running.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    return done.stdout or running.log.read_text(errors="replace")
