"""What benchmarks.users measures: the same update from every system, and the peak of a process."""

import os
import subprocess
import sys

import pytest
import torch

from benchmarks.users.compare import System, measure
from benchmarks.users.population import NUM_ITEMS, drawn
from benchmarks.users.systems.list import centralised, engine, loop
from benchmarks.users.table import difference
from benchmarks.users.watch import Peak, cpu_seconds, tree
from benchmarks.users.work import Facts, Work, norm_of
from fedrec.data.preparation.store import prepare


@pytest.fixture
def work(tmp_path):
    folder = prepare("synthetic:users=40,items=60", home=tmp_path, seed=0)
    return Work(Facts(folder=str(folder), clients=12, length=4, hidden=8))


def test_the_engine_and_the_plain_loop_do_the_same_work(work):
    users = work.users(1)
    ours, plain = engine(work, users, 1, 0), loop(work, users, 1, 0)
    assert set(ours) == set(plain)
    for name, total in plain.items():
        torch.testing.assert_close(ours[name].to(total), total, rtol=1e-4, atol=1e-5)
    assert norm_of(ours, 1.0) == pytest.approx(norm_of(plain, 1.0), rel=1e-5)


def test_halves_of_a_turn_sum_up_to_the_whole(work):
    users = work.users(1)
    whole, first, second = (loop(work, part, 1, 0) for part in (users, users[::2], users[1::2]))
    for name, total in whole.items():
        torch.testing.assert_close(first[name] + second[name], total, rtol=1e-4, atol=1e-6)


def test_the_centralised_pass_reads_every_target_of_the_turn(work):
    users = work.users(1)
    assert work.tokens(1) == 3 * sum(len(row) - 1 for user in users for row in work.rows(user))
    before = {name: value.clone() for name, value in work.model.named_parameters()}
    assert not torch.equal(centralised(work, users, 1, 8)["rows"], before["rows"])
    assert torch.equal(work.model.get_parameter("rows"), before["rows"])


def test_turns_have_other_users_in_the_order_of_their_work(work):
    sizes = [work.targets(user) for user in work.users(1)]
    assert sizes == sorted(sizes, reverse=True)
    assert set(work.users(1)) != set(work.users(2))


def test_a_drawn_population_is_linear_in_its_users_and_fits_the_catalogue():
    small, large = drawn(200), drawn(2000)
    assert 7 < len(large.items) / len(small.items) < 13
    assert 0 <= large.items.min() <= large.items.max() < NUM_ITEMS


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="reads /proc")
def test_the_peak_of_a_tree_holds_its_children():
    child = "import time; kept = bytearray(40_000_000); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent])
    try:
        with Peak(process.pid) as peak:
            while len(tree(process.pid)) < 2 or peak.mib < 40:
                peak.look()
        assert peak.processes == 2
        assert cpu_seconds(process.pid) > 0
    finally:
        for one in reversed(tree(process.pid)):
            os.kill(one, 9)
        process.wait()


@pytest.mark.slow
def test_systems_in_processes_of_their_own_do_the_same_work(tmp_path):
    folder = prepare("synthetic:users=40,items=60", home=tmp_path, seed=0)
    facts = Facts(folder=str(folder), clients=12, length=4, hidden=8)
    systems = [
        System(name="engine", kind="engine"),
        System(name="loop", kind="loop", processes=2),
        System(name="centralised", kind="centralised", processes=2, threads=2, batch_size=4),
        System(name="flower", kind="flower", processes=2),
        System(name="nobody", kind="loop", device="no such device"),
    ]
    found = {one.name: one for one in measure(systems, facts, turns=2)}
    assert "no such device" in found.pop("nobody").reason
    for one in found.values():
        assert [turn.number for turn in one.turns] == [1, 2], one.reason
        assert difference(one, list(found.values())) == ""
        assert one.peak_mib > 100
        assert all(turn.tokens == found["loop"].turns[n].tokens for n, turn in enumerate(one.turns))
