"""``python -m experiments.chaos`` with small counts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.chaos.__main__ import table
from experiments.chaos.tries import Outcome

KINDS = (
    *("workers-killed", "servers-killed", "ray-servers-killed", "raylets-killed"),
    *("ablations-killed", "sweeps-killed", "baselines-killed", "checkpoints-damaged"),
)
ROOT = Path(__file__).parent.parent.parent.parent


def test_the_table_counts_what_ended_as_it_must():
    outcomes = [
        Outcome("the server killed, inline", "round 3", True, "resumed: exit code 0"),
        Outcome("the server killed, inline", "round 12", False, "resumed: exit code 1"),
        Outcome("the server killed, inline", "saving checkpoint 2", True, "resumed: exit code 0"),
        Outcome("a checkpoint damaged", "weights deleted", True, "recovered, same hash"),
        Outcome("a checkpoint damaged", "both damaged", True, "refused: no intact checkpoint"),
    ]
    assert table(outcomes).splitlines()[2:] == [
        "| the server killed, inline | 3 | 2 |",
        "| - round | 2 | 1 |",
        "| - while saving | 1 | 1 |",
        "| a checkpoint damaged | 2 | 1, and 1 refused with a line |",
    ]


def chaos(*words):
    return subprocess.run(
        [sys.executable, "-m", "experiments.chaos", *words],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "lines"),
    [
        (
            {"workers-killed": 2, "ray-servers-killed": 2},
            [
                r"\| a Ray worker killed \| 2 \| 2 \|",
                r"\| all Ray workers killed at once \| 1 \| 1 \|",
            ],
        ),
        (
            {"servers-killed": 3, "checkpoints-damaged": 12},
            [
                # One is aimed at a checkpoint in the making; the others may happen to hit one too.
                r"\| - while saving \| ([1-9]) \| \1 \|",
                r"\| a checkpoint damaged \| 12 \| 10, and 2 refused with a line \|",
            ],
        ),
        (
            {"raylets-killed": 1, "ablations-killed": 2, "sweeps-killed": 2, "baselines-killed": 2},
            [
                r"\| Ray's raylet killed \| 1 \| 1 \|",
                r"\| an ablation killed, one process \| 1 \| 1 \|",
                r"\| an ablation killed, Ray \| 1 \| 1 \|",
                r"\| a sweep killed, one process \| 1 \| 1 \|",
                r"\| a sweep killed, Ray \| 1 \| 1 \|",
                r"\| a centralised baseline killed \| 1 \| 1 \|",
                r"\| a local-only baseline killed \| 1 \| 1 \|",
            ],
        ),
    ],
    ids=["ray", "inline", "raylet and studies"],
)
def test_a_few_kills_and_damages_all_end_with_the_fault_free_hash(tmp_path, counts, lines):
    every = dict.fromkeys(KINDS, 0)
    words = [word for name, count in (every | counts).items() for word in (f"--{name}", str(count))]
    done = chaos(*words, "--out", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    for line in lines:
        assert re.search(line, done.stdout), done.stdout
