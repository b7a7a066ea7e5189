"""Failures of user code, as the one line that every other error of a user is."""

from collections.abc import Iterator
from contextlib import contextmanager

from fedrec.errors import ConfigError, FedrecError


@contextmanager
def user_code_failures(what: str, kind: type[FedrecError] = ConfigError) -> Iterator[None]:
    """Turn what user code raises into an error of one line; the traceback stays its cause.

    Args:
        what: Whose code it is and what it failed on, as "loss.name 'm:f' failed on the scores".
        kind: Class of the error.

    Raises:
        FedrecError: Of the class ``kind``; one that the code raises itself passes as it is.
    """
    try:
        yield
    except (FedrecError, MemoryError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise kind(f"{what}: {type(error).__name__}{': ' if said else ''}{said}") from error
