"""A slow machine: Ray is waited for as long as one variable says, and what for is told."""

import os
import threading
from types import SimpleNamespace

import pytest
from ray.exceptions import ObjectStoreFullError, RaySystemError

from experiments.engines import ray as ray_engine
from experiments.engines import ray_start
from fedrec.errors import ConfigError, ResourceError
from server.engines import ray_pool
from server.engines.ray_wait import VARIABLE, WAIT_SECONDS, wait_seconds


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def test_one_variable_says_how_long_ray_is_waited_for(monkeypatch):
    assert wait_seconds() == WAIT_SECONDS
    monkeypatch.setenv(VARIABLE, "7")
    assert wait_seconds() == 7
    assert ray_start.patience() == {
        VARIABLE: "7",
        "RAY_raylet_client_num_connect_attempts": "7",
        "RAY_agent_register_timeout_ms": "7000",
    }


def test_further_variables_of_rays_are_left_as_the_user_set_them(monkeypatch):
    monkeypatch.setenv("RAY_raylet_client_num_connect_attempts", "3")
    assert ray_start.patience()["RAY_raylet_client_num_connect_attempts"] == "3"


@pytest.mark.parametrize("given", ["", "soon", "-1", "0", "1.5", "\N{SUPERSCRIPT TWO}"])
def test_no_number_of_seconds_is_refused(monkeypatch, given):
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(ConfigError, match=f"{VARIABLE} must be a whole number of seconds, got"):
        wait_seconds()


@pytest.fixture
def slow_ray(monkeypatch):
    """``slow_ray(times)``: a Ray whose node is not there at the first calls."""
    monkeypatch.setattr(ray_start, "LOOK_EVERY", 0.0)
    calls = []

    def make(times):
        def get_node(address, node):
            calls.append(node)
            if len(calls) <= times:
                raise RuntimeError("no node")
            return {"node": node}

        return SimpleNamespace(
            _private=SimpleNamespace(services=SimpleNamespace(get_node=get_node))
        )

    return make


def test_a_node_that_comes_late_is_waited_for(slow_ray):
    ray = slow_ray(5)
    before = ray._private.services.get_node
    with ray_start.waiting_for_node(ray, lambda: True):
        assert ray._private.services.get_node("address", "n") == {"node": "n"}
    assert ray._private.services.get_node is before


def test_a_node_whose_processes_are_gone_is_not_waited_for(slow_ray):
    ray = slow_ray(5)
    with (
        ray_start.waiting_for_node(ray, lambda: False),
        pytest.raises(RuntimeError, match="no node"),
    ):
        ray._private.services.get_node("address", "n")


def test_a_node_is_not_waited_for_without_end(slow_ray, monkeypatch):
    now = iter(range(0, 10_000, 100))
    monkeypatch.setattr(ray_start.time, "monotonic", lambda: next(now))
    ray = slow_ray(50)
    with (
        ray_start.waiting_for_node(ray, lambda: True),
        pytest.raises(RuntimeError, match="no node"),
    ):
        ray._private.services.get_node("address", "n")
    assert next(now) < 1000


def test_this_process_is_no_raylet():
    assert not ray_start.has_raylet({os.getpid(): 0})


def test_what_is_waited_for_is_told_on_one_line(monkeypatch):
    told = threading.Event()
    monkeypatch.setattr(ray_start, "TELL_EVERY", 0.001)
    monkeypatch.setattr(ray_start.log, "warning", lambda *line: (lines.append(line), told.set()))
    lines = []
    with ray_start.telling("Ray's services to start"):
        assert told.wait(30)
    text = lines[0][0] % lines[0][1:]
    assert text.startswith("waiting for Ray's services to start: 0 s of 300 s (RAY_worker_reg")
    assert "ray-start" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (Exception("The current node timed out during startup.\nThis could"), "=600 doubles it)"),
        (ValueError("no such option\nand more"), "no such option"),
    ],
)
def test_a_ray_that_does_not_start_is_one_line(monkeypatch, error, hint):
    def fail(**arguments):
        raise error

    ray = SimpleNamespace(
        init=fail,
        _private=SimpleNamespace(utils=SimpleNamespace(set_sigterm_handler=None)),
    )
    with pytest.raises(ResourceError) as ended:
        ray_engine._init(ray, "Ray does not start")
    assert str(ended.value).startswith(f"Ray does not start: {type(error).__name__}: ")
    assert str(ended.value).endswith(hint)
    assert "\n" not in str(ended.value)


@pytest.mark.parametrize("error", [RaySystemError("gone\nlong\ntext"), ObjectStoreFullError("x")])
@pytest.mark.parametrize("call", ["submit", "settle", "cancel_jobs", "check_idle"])
def test_what_ray_raises_in_a_pool_is_one_line(monkeypatch, error, call):
    def fail(*given, **named):
        raise error

    actor = SimpleNamespace(start=SimpleNamespace(remote=fail), run=SimpleNamespace(remote=fail))
    pool = object.__new__(ray_pool.RayPool)
    busy = call != "submit" and call != "check_idle"
    job = ray_pool.Job(None, 1)
    slot = ray_pool.Slot(actor, object() if busy else None, job=job if busy else None)
    pool._slots, pool._queue = [slot], ray_pool.deque()
    monkeypatch.setattr(ray_pool, "ray", SimpleNamespace(wait=fail, kill=fail))
    with pytest.raises(ResourceError, match=f"^Ray failed: {type(error).__name__}: ") as ended:
        getattr(pool, call)(*([[job]] if call == "submit" else []))
    assert "\n" not in str(ended.value)
