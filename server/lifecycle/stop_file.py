"""Stop requests to a server that no signal reaches: a file in the folder of its run."""

import contextlib
import signal
from pathlib import Path

from fedrec.errors import DataError
from fedrec.runs.record import read_json
from fedrec.runs.write import write_json
from server.lifecycle.signals import Interrupted

STOP_FILE = ".stop.json"


def request_stop(run: Path, exit_code: int) -> None:
    """Request that the server of a run saves its state and ends."""
    write_json(run / STOP_FILE, {"exit_code": exit_code})


def clear_stop_request(run: Path) -> None:
    """Clear a stop request that its server has not seen, before another server obeys it."""
    with contextlib.suppress(OSError):  # a folder that cannot be written is refused elsewhere
        (run / STOP_FILE).unlink()


def stop_if_requested(run: Path) -> None:
    """End the run if there is a stop request.

    Raises:
        Interrupted: There is one; the error has its exit code.
    """
    path = run / STOP_FILE
    if not path.exists():
        return
    try:
        code = read_json(path).get("exit_code")
    except DataError:
        code = None  # another file of that name; a stop request all the same
    path.unlink(missing_ok=True)
    raise Interrupted(code if isinstance(code, int) else 128 + signal.SIGINT)
