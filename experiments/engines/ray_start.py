"""The start of a Ray of our own on a slow machine: it is waited for, and what for is told."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from server.engines.ray_wait import VARIABLE, wait_seconds

TELL_EVERY = 10.0  # seconds
LOOK_EVERY = 0.5  # seconds

log = logging.getLogger(__name__)


def patience() -> dict[str, str]:
    """Variables for Ray's processes: how long they wait for each other; the user's own win."""
    wait = wait_seconds()
    ours = {
        VARIABLE: wait,
        "RAY_raylet_client_num_connect_attempts": wait,  # one a second; then a process aborts
        "RAY_agent_register_timeout_ms": wait * 1000,
    }
    return {name: os.environ.get(name, str(value)) for name, value in ours.items()}


def more_time() -> str:
    """How to give a slow machine more time, to be added to a message."""
    return f" (a slow machine may need more time: {VARIABLE}={2 * wait_seconds()} doubles it)"


@contextlib.contextmanager
def waiting_for_node(ray: Any, is_starting: Callable[[], bool]) -> Iterator[None]:
    """Wait for the node of a Ray that starts as long as ``wait_seconds`` says, not 30 s.

    Args:
        ray: The module.
        is_starting: Whether its processes are still there: else waiting is in vain.
    """
    services, deadline = ray._private.services, time.monotonic() + wait_seconds()
    get_node = services.get_node

    def get_in_time(*given: Any, **named: Any) -> Any:
        while True:
            try:
                return get_node(*given, **named)
            except RuntimeError:  # it has not registered yet
                if time.monotonic() > deadline or not is_starting():
                    raise
                time.sleep(LOOK_EVERY)

    with replaced(services, "get_node", get_in_time):
        yield


@contextlib.contextmanager
def telling(what: str) -> Iterator[None]:
    """Tell every few seconds what is waited for, and for how long at most."""
    over, start = threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(TELL_EVERY):
            waited = time.monotonic() - start
            log.warning("waiting for %s: %.0f s of %s s (%s)", what, waited, most, VARIABLE)

    most = wait_seconds()
    teller = threading.Thread(target=tell, name="ray-start", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def has_raylet(pids: Mapping[int, int]) -> bool:
    """Whether one of the processes is a raylet, the part of Ray that a node is."""
    for pid in pids:
        with contextlib.suppress(OSError):
            program = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")[0]
            if os.path.basename(program) == b"raylet":
                return True
    return not Path("/proc").is_dir()


@contextlib.contextmanager
def replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module of Ray's for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextlib.contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while, for processes that are started in it."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
