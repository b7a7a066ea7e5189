"""Ctrl-C and SIGTERM: they end a run, but never within a block that must complete."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# Signals that came, if the handlers are ours. Ray's C++ code checks for signals, too: there an
# exception of a handler becomes a plain KeyboardInterrupt, or is printed and dropped.
_received: list[int] = []


class Interrupted(KeyboardInterrupt):
    """The run must end: by a signal, or by a stop request where no signal arrives.

    Args:
        exit_code: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def install_signal_handlers() -> None:
    """Let Ctrl-C and SIGTERM raise ``Interrupted`` in this process, each with its own exit code."""
    _received.clear()

    def interrupt(number: int, frame: FrameType | None) -> None:
        _received.append(number)
        raise_pending_signal()

    for one in SIGNALS:
        signal.signal(one, interrupt)


def raise_pending_signal() -> None:
    """End the run if a signal came whose exception got lost in other code.

    Raises:
        Interrupted: A signal is pending.
    """
    if _received:
        raise Interrupted(128 + _received[0])


def interruption_code(error: KeyboardInterrupt) -> int:
    """Exit code of a command that ``error`` ends: 130 for Ctrl-C, 143 for SIGTERM."""
    number = _received[0] if _received else signal.SIGINT
    return int(getattr(error, "exit_code", 128 + number))


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM until the block is done.

    They have no effect where one of them is ending the run already: a second Ctrl-C must not break
    off the clean-up after the first. Outside the main thread, as in Flower's simulation, no
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


def reinstall_signal_handlers() -> None:
    """Install the present handlers again: other code may have replaced them behind Python."""
    if threading.current_thread() is threading.main_thread():
        for one in SIGNALS:
            if (handler := signal.getsignal(one)) is not None:
                signal.signal(one, handler)


def ignore_signals() -> None:
    """Ignore further signals while this process ends."""
    if threading.current_thread() is threading.main_thread():
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
