"""Ctrl-C and SIGTERM: never between two things that belong together; a checkpoint always."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from fedrec.errors import DataError
from fedrec.report.history import read_json, write_json

STOP_FILE = ".stop.json"  # in a run's folder: who cannot send the server a signal leaves it there
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """The run was asked to stop by a file.

    Args:
        exit_code: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the block is done; they take effect then.

    Outside the main thread, as in Flower's simulation, no signal arrives anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)

    before = {one: signal.signal(one, hold) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        for number in held[:1]:
            signal.raise_signal(number)


def ask_to_stop(run: Path, exit_code: int) -> None:
    """Ask the server of a run, which no signal reaches, to save its state and end."""
    write_json(run / STOP_FILE, {"exit_code": exit_code})


def stop_if_asked(run: Path) -> None:
    """End the run if somebody asked for it.

    Raises:
        Stopped: with the exit code that was asked for.
    """
    path = run / STOP_FILE
    if not path.exists():
        return
    try:
        code = read_json(path).get("exit_code")
    except DataError:
        code = None  # somebody else's file of that name; a wish to stop all the same
    path.unlink(missing_ok=True)
    raise Stopped(code if isinstance(code, int) else 128 + signal.SIGINT)
