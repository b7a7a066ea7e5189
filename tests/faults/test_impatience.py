"""Signals where they hurt: one after the other, and while Ray starts; nothing may be left."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from experiments.chaos.running import Running
from experiments.chaos.tries import num_lines, run_words
from fedrec.runs.record import read_json
from server.lifecycle.signals import (
    SIGNALS,
    Interrupted,
    install_signal_handlers,
    interruption_code,
    raise_pending_signal,
    uninterrupted,
)


def test_a_signal_in_a_part_that_must_not_be_broken_off_comes_after_it(ctrl_c):
    done = []

    def work():
        with uninterrupted():
            ctrl_c()
            done.append("the part")
        done.append("what follows")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the part"]


def test_a_second_signal_does_not_break_off_the_end_that_the_first_began(ctrl_c):
    done = []

    def work():
        try:
            raise KeyboardInterrupt("the first")
        finally:
            with uninterrupted():
                ctrl_c()
                done.append("saved")
            done.append("closed")

    with pytest.raises(KeyboardInterrupt, match="the first"):
        work()
    assert done == ["saved", "closed"]


def test_a_run_that_fails_may_still_be_interrupted(ctrl_c):
    def work():
        try:
            raise ValueError("a bug")
        finally:
            with uninterrupted():
                ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        work()


@pytest.fixture
def ours():
    """The handlers of the command in this process, for one test."""
    before = {one: signal.getsignal(one) for one in SIGNALS}
    install_signal_handlers()
    yield
    install_signal_handlers()  # which forgets what came
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_keeps_its_code_where_its_exception_is_replaced_or_dropped(ours, number, code):
    raise_pending_signal()  # none came yet
    with contextlib.suppress(KeyboardInterrupt):  # as Ray's C++ code does with an exception
        signal.raise_signal(number)
    assert interruption_code(KeyboardInterrupt()) == code
    with pytest.raises(Interrupted) as end:
        raise_pending_signal()
    assert end.value.exit_code == interruption_code(end.value) == code


def test_the_first_of_two_signals_gives_the_code(ours):
    for number in (signal.SIGTERM, signal.SIGINT):
        with pytest.raises(Interrupted) as end:
            signal.raise_signal(number)
        assert end.value.exit_code == 143


def said_by(place: Path) -> str:
    return (place / "said.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_group", "pause", "codes"),
    [
        (signal.SIGINT, True, 0.25, {130}),  # as a terminal does
        (signal.SIGINT, False, 0.05, {130}),
        # Ray gives SIGTERM back to the system while it shuts down: a second one may kill.
        (signal.SIGTERM, False, 0.25, {143, -signal.SIGTERM}),
    ],
)
def test_three_signals_in_a_row_leave_no_process_and_no_traceback(
    tmp_path, number, to_group, pause, codes
):
    folder, place = tmp_path / "run", tmp_path / "place"
    words = [*run_words("ray", folder, every=100), "--set", "federation.rounds=100000"]
    with Running(words, place, tmp_path / "home") as running:
        assert running.wait_until(lambda: num_lines(folder) > 2, every=0.02), running.last_words()
        running.processes()
        assert running.goes_on()
        for _ in range(3):
            with contextlib.suppress(ProcessLookupError):  # it may end before the last of them
                (os.killpg if to_group else os.kill)(running.process.pid, number)
            time.sleep(pause)
        assert running.end() in codes
        assert running.left_over() == []
    about = read_json(folder / "run.json")
    assert (about["status"], about["exit_code"]) == ("interrupted", max(codes))
    assert "Traceback" not in said_by(place)
    if running.process.returncode > 0:
        assert f"fedrec resume {folder}" in said_by(place)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("started", [b"gcs_server", b"raylet/raylet"])
def test_a_signal_while_ray_starts_is_no_start_that_failed(tmp_path, number, code, started):
    folder, place = tmp_path / "run", tmp_path / "place"
    with Running(run_words("ray", folder, every=1), place, tmp_path / "home") as running:

        def starts() -> bool:
            return any(started in title for title in running.titles().values())

        assert running.wait_until(starts, every=0.01), running.last_words()
        assert not folder.exists()
        running.process.send_signal(number)
        assert running.end() == code, said_by(place)
        assert running.left_over() == []
    said = said_by(place)
    assert "Ray does not start" not in said
    assert said.strip().splitlines()[-1].startswith("terminated" if code == 143 else "interrupted")
    assert "Traceback" not in said
    assert not folder.exists()
