"""RayGrid with clients that do as they are told: raise, exit, sleep, or are killed at work."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, RecordDict

from experiments.engines.ray import ray_grid as engine
from fedrec.errors import ResourceError
from server.engines import ray_grid as module
from server.engines.nodes import FIRST_NODE, act_as_server
from server.engines.ray_grid import ATTEMPTS, RayGrid, RetryLimits, as_tasks
from server.messages.exchange import exchange

CLIENTS = Path(__file__).parent
NODES = 4

pytest.importorskip("ray")
# Ray drops the handles of the processes it starts without waiting for them.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def local_ray(tmp_path_factory):
    """A Ray of four CPUs for the tests of this file."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        path = os.pathsep.join([str(CLIENTS.parent.parent), str(CLIENTS)])
        handler = signal.getsignal(signal.SIGTERM)
        ray.init(
            address="local",
            num_cpus=4,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"env_vars": {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}},
        )
        yield ray
        ray.shutdown()
        signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def grid(local_ray):
    """``grid(workers)`` over four nodes that do as they are told."""
    grids = []

    def make(workers: int, app: str = "ray_clients:app") -> RayGrid:
        grids.append(RayGrid(app, NODES, {"seed": 7}, workers))
        return grids[-1]

    yield make
    for one in grids:
        one.close()


def messages(orders: dict[int, str] | None = None, kind: str = MessageType.TRAIN) -> list[Message]:
    """A message for each node, all with the same weights 0..9."""
    weights = ArrayRecord({"w": Array(np.arange(10.0))})
    config = {f"order-{number}": order for number, order in (orders or {}).items()}
    return [
        Message(
            RecordDict({"arrays": weights, "config": ConfigRecord({"number": number, **config})}),
            FIRST_NODE + number,
            kind,
        )
        for number in range(NODES)
    ]


def facts(replies: list[Message]) -> dict[int, dict]:
    """Partition -> what it said, for those that replied themselves."""
    said = [r.content.config_records["facts"] for r in replies if r.has_content()]
    return {one["partition"]: dict(one) for one in said}


def reasons(replies: list[Message]) -> dict[int, str]:
    """Partition -> why it did not answer itself."""
    return {r.metadata.src_node_id - FIRST_NODE: r.error.reason for r in replies if r.has_error()}


def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestBroadcast:
    def setup_method(self):
        act_as_server()

    def test_records_that_messages_share_are_put_once_and_the_others_travel_with_them(self):
        puts = []
        tasks = as_tasks(messages(), put=lambda records: puts.append(records) or "ref")
        assert [len(records) for records in puts] == [1]
        np.testing.assert_array_equal(puts[0][0]["w"].numpy(), np.arange(10.0))
        assert [dict(task.shared) for task in tasks] == [{"arrays": 0}] * NODES
        assert [list(task.message.content) for task in tasks] == [["config"]] * NODES

    def test_the_callers_messages_keep_their_content(self):
        given = messages()
        as_tasks(given, put=lambda records: "ref")
        assert all(list(message.content) == ["arrays", "config"] for message in given)

    def test_nothing_is_put_where_nothing_is_shared(self):
        def put(records):
            raise AssertionError(records)

        [task] = as_tasks(messages()[:1], put=put)
        assert list(task.message.content) == ["arrays", "config"]


class TestRetryLimits:
    def test_a_client_that_cost_all_its_workers_is_asked_ever_more_rarely(self):
        limits, asked = RetryLimits(), []
        limits.record((1, "train"), died=True)
        for number in range(1, 17):
            if attempts := limits.attempts((1, "train")):
                assert attempts == 1
                asked.append(number)
                limits.record((1, "train"), died=True)
        assert asked == [1, 2, 4, 8, 16]
        assert limits.attempts((1, "evaluate")) == limits.attempts((2, "train")) == ATTEMPTS

    def test_a_reply_makes_up_for_it(self):
        limits = RetryLimits()
        limits.record((1, "train"), died=True)
        assert limits.attempts((1, "train")) == 1
        limits.record((1, "train"), died=False)
        assert limits.attempts((1, "train")) == ATTEMPTS


@pytest.mark.slow
class TestGrid:
    def test_each_message_reaches_its_client_with_the_weights_and_the_run_config(self, grid):
        replies = exchange(grid(2), messages(), timeout=30.0)
        said = facts(replies)
        assert sorted(said) == [0, 1, 2, 3]
        assert {(one["num-partitions"], one["seed"]) for one in said.values()} == {(4, 7)}
        assert len({one["pid"] for one in said.values()}) == 2
        assert {float(r.content.array_records["sum"]["sum"].numpy()) for r in replies} == {45.0}

    def test_one_object_is_put_in_a_push(self, grid, local_ray, monkeypatch):
        puts = []
        real = local_ray.put
        monkeypatch.setattr(module, "as_tasks", lambda given: as_tasks(given, lambda r: keep(r)))

        def keep(records):
            puts.append(real(records))
            return puts[-1]

        two = grid(2)
        for _ in range(3):
            assert len(exchange(two, messages(), timeout=30.0)) == NODES
        assert len(puts) == 3

    def test_a_reply_is_pulled_once(self, grid):
        two = grid(2)
        ids = two.push_messages(messages())
        replies = []
        until(lambda: replies.extend(two.pull_messages(ids)) or len(replies) == NODES)
        assert two.pull_messages(ids) == []
        assert two.pull_messages(["unknown"]) == []

    def test_pulling_never_waits_for_a_client(self, grid):
        two = grid(2)
        ids = two.push_messages(messages({0: "sleep 60", 1: "sleep 60"}))
        pulled = [reply for _ in range(20) for reply in two.pull_messages(ids)]
        assert {0, 1}.isdisjoint(facts(pulled))  # a pull that waits would bring their replies

    def test_an_exception_comes_back_as_one_line_and_costs_no_worker(self, grid):
        two = grid(2)
        before = {one["pid"] for one in facts(exchange(two, messages(), 30.0)).values()}
        replies = exchange(two, messages({2: "raise"}), timeout=30.0)
        assert reasons(replies) == {2: "ValueError: no such thing"}
        assert {one["pid"] for one in facts(replies).values()} <= before

    def test_a_client_that_returns_no_message_is_told_apart(self, grid):
        replies = exchange(grid(2), messages({1: "nothing"}), timeout=30.0)
        assert reasons(replies) == {1: "its app returned a NoneType, not a Message"}

    def test_a_client_that_ends_its_process_misses_alone_and_costs_one_worker_later(self, grid):
        two = grid(2)
        replies = exchange(two, messages({1: "exit"}), timeout=60.0)
        assert sorted(facts(replies)) == [0, 2, 3]
        [(partition, reason)] = reasons(replies).items()
        assert partition == 1
        assert reason.startswith("its worker died 4 times (")
        replies = exchange(two, messages({1: "exit"}), timeout=60.0)
        assert reasons(replies)[1].startswith("its worker died once (")
        assert sorted(facts(exchange(two, messages(), timeout=60.0))) == [0, 1, 2, 3]

    @pytest.mark.parametrize("victims", [1, 2])
    def test_killed_workers_lose_no_reply(self, grid, tmp_path, victims):
        two = grid(2)
        orders = dict.fromkeys(range(NODES), f"note {tmp_path}")
        ids = two.push_messages(messages(orders))
        until(lambda: len(list(tmp_path.iterdir())) == 2)
        for path in list(tmp_path.iterdir())[:victims]:
            os.kill(int(path.read_text()), signal.SIGKILL)
        for number in range(NODES):  # those that had no task yet need not wait
            (tmp_path / str(number)).touch()
        if victims == 1:
            [left] = [p for p in tmp_path.iterdir() if p.read_text()][1:]
            os.kill(int(left.read_text()), signal.SIGKILL)
        replies = []
        until(lambda: replies.extend(two.pull_messages(ids)) or len(replies) == NODES)
        assert sorted(facts(replies)) == [0, 1, 2, 3]

    def test_workers_killed_while_they_wait_cost_no_attempt(self, grid):
        two = grid(2)
        for _ in range(ATTEMPTS + 1):
            said = facts(exchange(two, messages(), timeout=60.0))
            assert sorted(said) == [0, 1, 2, 3]
            for pid in {one["pid"] for one in said.values()}:
                os.kill(pid, signal.SIGKILL)

    def test_a_late_reply_is_never_seen_and_its_worker_is_free_again(self, grid):
        two = grid(2)
        exchange(two, messages(), timeout=30.0)
        replies = exchange(two, messages({3: "sleep 60"}), timeout=1.5)
        assert sorted(facts(replies)) == [0, 1, 2]
        seen = []
        for _ in range(3):
            asked = messages()
            replies = exchange(two, asked, timeout=30.0)
            seen += [reply.metadata.reply_to_message_id for reply in replies]
            assert {r.metadata.reply_to_message_id for r in replies} == {
                m.metadata.message_id for m in asked
            }
        assert len(seen) == len(set(seen)) == 3 * NODES

    def test_starting_does_not_count_against_the_time(self, grid):
        fresh = grid(4)  # imports take longer than this
        assert len(exchange(fresh, messages(), timeout=1.0)) == NODES

    def test_an_app_that_cannot_be_imported_ends_the_run_with_its_reason(self, grid):
        with pytest.raises(ResourceError, match=r"a Ray worker cannot start: .*no_such_module"):
            exchange(grid(1, app="no_such_module:app"), messages(), timeout=30.0)


@pytest.mark.slow
def test_a_process_that_has_a_ray_already_is_told_so(local_ray, small_config):
    with pytest.raises(ResourceError, match=r"connected to a Ray already; call ray.shutdown"):
        engine(small_config(), 1, None).__enter__()
