"""A wish to stop, for a server that no signal reaches: a file in the folder of its run."""

import contextlib
import signal
from pathlib import Path

from fedrec.errors import DataError
from fedrec.runs.record import read_json
from fedrec.runs.write import write_json
from server.lifecycle.signals import Interrupted

STOP_FILE = ".stop.json"


def request_stop(run: Path, exit_code: int) -> None:
    """Ask the server of a run to save its state and end."""
    write_json(run / STOP_FILE, {"exit_code": exit_code})


def clear_stop_request(run: Path) -> None:
    """Remove a wish that the server it was meant for has not seen: another would obey it."""
    with contextlib.suppress(OSError):  # a folder that cannot be written is refused elsewhere
        (run / STOP_FILE).unlink()


def stop_if_requested(run: Path) -> None:
    """End the run if somebody asked for it.

    Raises:
        Interrupted: with the exit code that was asked for.
    """
    path = run / STOP_FILE
    if not path.exists():
        return
    try:
        code = read_json(path).get("exit_code")
    except DataError:
        code = None  # somebody else's file of that name; a wish to stop all the same
    path.unlink(missing_ok=True)
    raise Interrupted(code if isinstance(code, int) else 128 + signal.SIGINT)
