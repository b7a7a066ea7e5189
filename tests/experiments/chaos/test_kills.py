"""When and whom the chaos tool kills, on commands that only pretend to run."""

import signal

import pytest

from experiments.chaos import kills
from experiments.chaos.tries import ENDED, REPORT, ROUNDS, Tries


class Pretended:
    """A command whose workers are 71, 72 and 73, and that ends well."""

    workers_alive = (71, 72, 73)

    def __init__(self, words, workdir, home):
        self.workdir = workdir

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def workers(self):
        return list(self.workers_alive)

    def wait_until(self, is_so, every=0.1):
        return True

    def failed(self):
        return False

    def end(self):
        return 0

    def left_over(self):
        return []

    def last_words(self):
        return "report: /tmp/report.html"


@pytest.fixture
def struck(monkeypatch, tmp_path):
    """``struck(number, phases=..., workers=...)``: the outcome of a try, who was hit, and when."""
    hit, waits, slept = [], [], []
    monkeypatch.setattr(Tries, "round_seconds", 0.5)
    monkeypatch.setattr(Tries, "differences", lambda self, folder: [])
    monkeypatch.setattr(kills.os, "kill", lambda pid, number: hit.append((pid, number)))
    monkeypatch.setattr(kills.time, "sleep", slept.append)
    monkeypatch.setattr(kills, "_wait_for_lines", lambda running, folder, n: waits.append(n))

    def strike(number, *, everyone=False, phases=("round 3",), workers=(71, 72, 73)):
        found = iter(phases)

        class Command(Pretended):
            workers_alive = workers

        monkeypatch.setattr(kills, "Running", Command)
        monkeypatch.setattr(kills, "phase", lambda folder: next(found))
        hit.clear()
        waits.clear()
        slept.clear()
        outcome = kills.kill_workers(Tries(tmp_path, 7, {}), number, everyone=everyone)
        return outcome, list(hit), list(zip(waits, slept, strict=True))

    return strike


def test_a_try_kills_one_worker_at_a_time_of_its_own(struck):
    tries = [struck(number) for number in range(60)]
    assert all(outcome.is_good for outcome, _, _ in tries)
    assert tries[0][0].words == "exit code 0, same hash, same history"
    assert {len(hit) for _, hit, _ in tries} == {1}
    assert {hit[0] for _, hit, _ in tries} == {(pid, signal.SIGKILL) for pid in (71, 72, 73)}
    # A kill waits for 0 to all 12 rounds, then for a part of one: any moment of the run.
    times = [when for _, _, (when,) in tries]
    assert {lines for lines, _ in times} == set(range(ROUNDS + 1))
    assert all(0 <= seconds < 0.5 for _, seconds in times)
    assert len(set(times)) == 60


def test_the_same_try_strikes_the_same_worker_at_the_same_time(struck):
    assert struck(5) == struck(5)


def test_all_workers_are_killed_at_once_where_that_is_the_fault(struck):
    outcome, hit, _ = struck(0, everyone=True)
    assert outcome.fault == "all Ray workers killed at once"
    assert [pid for pid, _ in hit] == [71, 72, 73]


def test_a_kill_that_would_come_after_the_end_is_drawn_again(struck):
    outcome, hit, times = struck(0, phases=(ENDED, REPORT, "round 9"))
    assert (outcome.when, outcome.is_good) == ("round 9", True)
    assert (len(hit), len(set(times))) == (1, 3)


def test_runs_that_are_always_over_are_no_success(struck):
    outcome, hit, times = struck(0, phases=(ENDED,) * kills.REDRAWS)
    assert (outcome.when, outcome.is_good, hit) == ("never", False, [])
    assert len(times) == kills.REDRAWS


def test_a_run_without_workers_is_drawn_again(struck):
    outcome, hit, _ = struck(0, phases=("round 3",) * kills.REDRAWS, workers=())
    assert (outcome.when, hit) == ("never", [])
