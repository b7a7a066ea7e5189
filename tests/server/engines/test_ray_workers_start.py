"""How long a push waits for Ray's workers, on a pool that only pretends to start them."""

import itertools
import threading

import pytest

from fedrec.errors import ResourceError
from server.engines import ray_grid
from server.engines.ray_grid import RayGrid


class Pool:
    """A pool whose numbers of idle and of starting workers are told, look by look."""

    size = 3

    def __init__(self, looks):
        self.looks, self.seen = looks, 0

    def settle(self):
        self.seen += 1
        return []

    def num_idle(self):
        return self.looks[self.seen - 1][0]

    def num_starting(self):
        return self.looks[self.seen - 1][1]


@pytest.fixture
def waited(monkeypatch):
    """``waited(needed, looks, failure)``: how often it looked before it went on."""
    monkeypatch.setattr(ray_grid.time, "sleep", lambda seconds: None)

    def wait(needed, looks, failure=None):
        grid = object.__new__(RayGrid)
        grid._lock, grid._failure, grid._pool = threading.RLock(), failure, Pool(looks)
        grid._wait_for_workers(needed)
        return grid._pool.seen

    return wait


def test_a_push_waits_until_as_many_workers_are_up_as_it_needs(waited):
    assert waited(2, [(0, 3), (1, 2), (2, 1), (3, 0)]) == 3


def test_a_push_goes_on_with_the_workers_that_are_up_where_no_more_can_come(waited):
    assert waited(3, [(0, 3), (1, 2), (1, 0)]) == 3


def test_where_no_worker_can_come_any_more_it_is_said(waited):
    with pytest.raises(ResourceError, match=r"none of 3 Ray workers came up within \d+ s"):
        waited(1, [(0, 3), (0, 0)])


def test_what_failed_meanwhile_is_raised(waited):
    with pytest.raises(ResourceError, match="ended while they started"):
        waited(1, [(0, 3)], ResourceError("7 Ray workers in a row ended while they started"))


@pytest.mark.parametrize("alive", [True, False])
def test_nobody_waits_for_workers_of_a_node_that_died(waited, monkeypatch, alive):
    seconds = itertools.count(0, 11)  # every look comes eleven seconds after the last
    monkeypatch.setattr(ray_grid.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(ray_grid.ray, "nodes", lambda: [{"Alive": False}, {"Alive": alive}])
    if alive:
        assert waited(1, [(0, 3), (0, 3), (1, 2)]) == 3
        return
    with pytest.raises(ResourceError, match=r"raylet\) was killed while its workers started"):
        waited(1, [(0, 3)])
