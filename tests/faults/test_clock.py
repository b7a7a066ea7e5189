"""A clock that jumps by years: only the monotonic one drives a run."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import server.messages.exchange
from experiments.chaos.tries import ENGINES
from experiments.reproducibility.verify import compare
from fedrec.config.keys import to_toml
from server.messages.exchange import SampledNodes

YEAR = 365 * 86400.0
ROOT = Path(__file__).parent.parent.parent

# The command with a clock that jumps forth and back by a year at every look.
JUMPING = """
import itertools, sys, time
real, jumps = time.time, itertools.cycle([31536000.0, -31536000.0])
time.time = lambda: real() + next(jumps)
from experiments.cli.main import main
main()
"""


class OneByOne(SampledNodes):
    """A grid that hands out a reply a look, so that the server waits for the others."""

    def __init__(self, grid):
        super().__init__(grid, grid.get_node_ids())

    def pull_messages(self, message_ids):
        return self._grid.pull_messages(sorted(message_ids)[:1])


@pytest.mark.slow
def test_a_clock_that_jumps_by_years_changes_nothing(
    run_inline, not_easy, tmp_path, monkeypatch, left_by
):
    config = not_easy({"federation.round-timeout": 60.0})
    steady = run_inline(config, tmp_path / "steady")
    real, jumps = time.time, [YEAR, -YEAR]

    def jumping():
        jumps.reverse()
        return real() + jumps[0]

    monkeypatch.setattr(time, "time", jumping)
    jumped = run_inline(config, tmp_path / "jumped", wrap=OneByOne)
    assert abs(time.time() - time.time()) > YEAR
    assert left_by(steady) == left_by(jumped)
    assert all(line["excluded"] == [] for line in left_by(jumped)[1])


class Late:
    """A grid whose one reply comes at the given look; at each look the wall clock jumps on."""

    def __init__(self, clock, at_look, jump):
        self.clock, self.at_look, self.jump, self.looks = clock, at_look, jump, 0

    def push_messages(self, messages):
        return ["asked"]

    def pull_messages(self, message_ids):
        self.looks += 1
        self.clock["ahead"] += self.jump
        return [Reply()] if self.looks == self.at_look else []


class Reply:
    """What ``exchange`` looks at of a reply."""

    class metadata:  # noqa: N801  # as Flower calls it
        reply_to_message_id = "asked"


@pytest.fixture
def clock(monkeypatch):
    """``clock["ahead"]``: seconds by which the wall clock is ahead of the right time."""
    ahead, real = {"ahead": 0.0}, time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead["ahead"])
    return ahead


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_clock_that_jumps_one_way_cuts_no_wait_short(clock, jump):
    grid = Late(clock, at_look=5, jump=jump)
    assert len(server.messages.exchange.exchange(grid, [None], timeout=30.0)) == 1
    assert grid.looks == 5


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_clock_that_jumps_one_way_draws_no_wait_out(clock, jump):
    grid = Late(clock, at_look=10**9, jump=jump)
    start = time.monotonic()
    watch = within(start + 60)
    assert server.messages.exchange.exchange(grid, [None], timeout=0.3, watch=watch) == []
    assert time.monotonic() - start >= 0.3
    assert grid.looks < 100  # it slept between them


def within(end):
    """A watch that ends a wait which would have no end."""

    def watch(arrived, asked):
        assert time.monotonic() < end, "the wait goes on for ever"

    return watch


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_the_command_does_not_mind_a_clock_that_jumps(
    run_inline, not_easy, tmp_path, fedrec_home, engine
):
    config = not_easy({"run.name": "", "federation.round-timeout": 60.0})
    steady = run_inline(config, tmp_path / "steady")
    (tmp_path / "small.toml").write_text(to_toml(config))
    words = ["run", str(tmp_path / "small.toml"), *ENGINES[engine], "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-c", JUMPING, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert compare(steady, tmp_path / "run") == []
