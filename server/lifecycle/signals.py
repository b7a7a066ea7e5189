"""Ctrl-C and SIGTERM: never between two things that belong together."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# The first signal that came, if the handlers are ours. Ray's C++ code asks for signals, too: there
# an exception of a handler becomes a plain KeyboardInterrupt, or is printed and dropped.
_came: list[int] = []


class Interrupted(KeyboardInterrupt):
    """The run is to end: by a signal, or by a file where no signal arrives.

    Args:
        exit_code: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def end_by_signals() -> None:
    """Make Ctrl-C and SIGTERM end this process by Interrupted, each with its own exit code."""
    _came.clear()

    def interrupt(number: int, frame: FrameType | None) -> None:
        _came.append(number)
        raise_pending_signal()

    for one in SIGNALS:
        signal.signal(one, interrupt)


def raise_pending_signal() -> None:
    """End the run if a signal came and its exception got lost in somebody else's code.

    Raises:
        Interrupted: there was one.
    """
    if _came:
        raise Interrupted(128 + _came[0])


def interruption_code(error: KeyboardInterrupt) -> int:
    """Exit code of a command that ``error`` ends: 130 for Ctrl-C, 143 for SIGTERM."""
    number = _came[0] if _came else signal.SIGINT
    return int(getattr(error, "exit_code", 128 + number))


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the block is done; they take effect then.

    They have none where one of them is ending the run already: who presses Ctrl-C again must not
    break off what the first one began. Outside the main thread, as in Flower's simulation, no
    signal arrives anyway.
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
        if held and not isinstance(sys.exception(), KeyboardInterrupt):
            signal.raise_signal(held[0])


def take_back() -> None:
    """Install the present handlers anew: other code may have set the system's own behind Python."""
    if threading.current_thread() is threading.main_thread():
        for one in SIGNALS:
            if (handler := signal.getsignal(one)) is not None:
                signal.signal(one, handler)


def ignore_from_now_on() -> None:
    """Let no signal change how this process ends: it is ending."""
    if threading.current_thread() is threading.main_thread():
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
