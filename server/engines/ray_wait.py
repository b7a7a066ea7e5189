"""How long Ray may take to start on a slow machine: one number, in a variable of Ray's own."""

import math
import os

from fedrec.errors import ConfigError

VARIABLE = "RAY_worker_register_timeout_seconds"  # 60 in Ray
WAIT_SECONDS = 300  # a cold disk, torch, two busy cores


def wait_seconds() -> int:
    """Seconds that Ray's services, and then its workers, may take to start.

    Raises:
        ConfigError: The variable holds no whole number of seconds.
    """
    given = os.environ.get(VARIABLE, str(WAIT_SECONDS))
    if not (given.isascii() and given.isdecimal() and 0 < int(given) < math.inf):
        raise ConfigError(f"{VARIABLE} must be a whole number of seconds, got {given!r}")
    return int(given)
