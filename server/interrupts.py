"""Ctrl-C and SIGTERM: never between two things that belong together."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


def ignore_from_now_on() -> None:
    """Let no signal change how this process ends: it is ending."""
    if threading.current_thread() is threading.main_thread():
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
