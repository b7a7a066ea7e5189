"""Messages about a worker that died, or about an error in its code."""

import pytest
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayTaskError

from fedrec.errors import DataError
from server.engines.ray_pool import _cause_of_death, _error_line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OutOfMemoryError("killed by the monitor"), "out of memory"),
        (NodeDiedError("gone"), "its machine left the cluster"),
        (ActorDiedError(), "killed, crashed or out of memory"),
    ],
)
def test_how_a_worker_ended(error, words):
    assert _cause_of_death(error) == words


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (DataError("no such file"), "no such file"),
        (ValueError("bad\nlines"), "ValueError: bad\nlines"),
    ],
)
def test_an_error_of_a_worker_is_that_of_its_cause(cause, words):
    assert _error_line(RayTaskError("fit", "Traceback ...\nlast line", cause)) == words


def test_an_error_without_a_cause_is_its_last_line():
    error = RayTaskError("fit", "Traceback ...\nlast line", ValueError("x"))
    error.cause = None
    assert _error_line(error) == "last line"
