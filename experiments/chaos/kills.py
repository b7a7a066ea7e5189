"""SIGKILL at times drawn uniformly: for workers over the rounds, for the server over the run."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from experiments.chaos.running import Running
from experiments.chaos.tries import (
    ENDED,
    ENGINES,
    REPORT,
    ROUNDS,
    Outcome,
    Tries,
    draft,
    has_begun,
    num_lines,
    phase,
    resume,
    run_words,
)
from fedrec.randomness import generator

REDRAWS = 10  # of a time that came after the end: runs are not equally fast


def kill_workers(tries: Tries, number: int, *, everyone: bool) -> Outcome:
    """Kill one Ray worker, or all of them at once; the run must end as if nothing had been.

    Args:
        tries: Shared parts of all tries.
        number: Number of this try.
        everyone: Kill all workers at once.
    """
    fault = "all Ray workers killed at once" if everyone else "a Ray worker killed"
    draw = generator(tries.seed, "chaos", fault, number)
    for redraw in range(REDRAWS):
        workdir = tries.workdir(fault, number) / str(redraw)
        folder = workdir / "run"
        with Running(run_words("ray", folder, every=2), workdir, tries.home) as running:
            # While the report is made, workers have nothing to do: a kill there would show nothing.
            lines, seconds = int(draw.integers(ROUNDS + 1)), draw.random() * tries.round_seconds
            _wait_for_lines(running, folder, lines)
            time.sleep(seconds)
            running.wait_until(lambda: bool(running.workers()))
            workers, when = running.workers(), phase(folder)
            if running.failed():
                return Outcome(fault, "before the kill", False, running.last_words())
            if not workers or when in (REPORT, ENDED):
                continue
            hit = workers if everyone else [int(draw.choice(workers))]
            for pid in hit:
                os.kill(pid, signal.SIGKILL)
            code = running.end()
            found = tries.differences(folder)
            left = running.left_over()
            words = f"exit code {code}, {said(found, left)}"
            if code:
                words += f": {running.last_words()}"
            return Outcome(fault, when, code == 0 and not found and not left, words, len(left))
    return Outcome(fault, "never", False, "every run ended before its worker could be killed")


def kill_server(tries: Tries, engine: str, number: int, *, saving: bool) -> Outcome:
    """Kill the command itself and resume it; the end must be that of the run without a fault.

    Args:
        tries: Shared parts of all tries.
        engine: "inline" or "ray".
        number: Number of this try.
        saving: Wait for the next checkpoint to be written, and kill while it is.
    """
    fault = f"the server killed, {engine}"
    draw = generator(tries.seed, "chaos", fault, number)
    for redraw in range(REDRAWS):
        workdir = tries.workdir(fault, number) / str(redraw)
        folder = workdir / "run"
        words = run_words(engine, folder, every=1 + number % 2)
        with Running(words, workdir, tries.home) as running:
            seconds = draw.random() * tries.seconds[engine]
            begun = sleep_into(running, partial(has_begun, folder), seconds)
            if not (_wait_for_draft(running, folder) if saving else running.goes_on()):
                tries.took(engine, begun)
                if running.failed():
                    return Outcome(fault, "before the kill", False, running.last_words())
                continue
            running.kill()
            when = phase(folder)
            left = running.left_over()
        code, last = resume(tries, folder, workdir / "again")
        found = tries.differences(folder)
        words_of_end = f"resumed: exit code {code}, {said(found, left)}"
        if code:
            words_of_end += f": {last}"
        is_good = code == 0 and not found and not left
        return Outcome(fault, when, is_good, words_of_end, len(left))
    return Outcome(fault, "never", False, "every run ended before it could be killed")


def kill_raylet(tries: Tries, number: int) -> Outcome:
    """Kill the raylet of a run's own Ray, which ends the run, and resume it on Ray or inline.

    Args:
        tries: Shared parts of all tries.
        number: Number of this try.
    """
    fault = "Ray's raylet killed"
    draw = generator(tries.seed, "chaos", fault, number)
    for redraw in range(REDRAWS):
        workdir = tries.workdir("raylet", number) / str(redraw)
        folder = workdir / "run"
        words = run_words("ray", folder, every=1 + number % 2)
        with Running(words, workdir, tries.home) as running:
            seconds = draw.random() * tries.seconds["ray"]
            begun = sleep_into(running, partial(has_begun, folder), seconds)
            raylets = running.raylets()
            if not raylets:
                tries.took("ray", begun)
                if running.failed():
                    return Outcome(fault, "before the kill", False, running.last_words())
                continue
            when = phase(folder)
            os.kill(raylets[0], signal.SIGKILL)
            code = running.end()
            left, end = running.left_over(), f"exit code {code}"
            if code:
                end += f" ({running.last_words()})"
        if code:
            engine = ENGINES[("inline", "ray")[number % 2]]
            code, last = resume(tries, folder, workdir / "again", *engine)
            end += f", resumed: exit code {code}" + (f": {last}" if code else "")
        found = tries.differences(folder)
        is_good = code == 0 and not found and not left
        return Outcome(fault, when, is_good, f"{end}, {said(found, left)}", len(left))
    return Outcome(fault, "never", False, "every run ended before its raylet could be killed")


def sleep_into(running: Running, has_begun: Callable[[], bool], seconds: float) -> float:
    """Wait until the run is so many seconds old, or over; return when it began."""
    running.wait_until(has_begun, every=0.02)
    begun = time.monotonic()
    running.wait_until(lambda: time.monotonic() >= begun + seconds)
    return begun


def _wait_for_lines(running: Running, folder: Path, lines: int) -> None:
    """Wait until so many rounds are written down, or the run is over."""
    running.wait_until(lambda: num_lines(folder) >= lines, every=0.005)


def _wait_for_draft(running: Running, folder: Path) -> bool:
    """Wait for a checkpoint to be in the making: that takes some milliseconds."""
    while running.goes_on():
        if draft(folder):
            return True
        time.sleep(0.0002)
    return False


def said(found: list[str], left: list[str]) -> str:
    """Description of what differs and of which processes are left."""
    words = "; ".join(found[:3]) if found else "same hash, same history"
    return f"{words}; left after 30 s: {', '.join(left)}" if left else words
