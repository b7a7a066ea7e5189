"""What did not go by plan: replies that were left out, and where a run was resumed."""

from collections.abc import Mapping
from typing import Any

from fedrec.runs.record import Run

HEADERS = ["round", "while", "partition", "reason"]


def left_out(run: Run) -> list[list[str]]:
    """A row for each reply that was left out: round, what was asked, partition, reason."""
    rows = []
    for line in run.rounds:
        number = str(line["round"])
        rows += [_row(number, "train, first try", one) for one in line.get("retried") or []]
        rows += [_row(number, one.get("while", ""), one) for one in line.get("excluded") or []]
    for evaluation, ones in (run.about.get("excluded") or {}).items():
        rows += [_row("", evaluation, one) for one in ones]
    return rows


def _row(number: str, doing: str, one: Mapping[str, Any]) -> list[str]:
    user = f", user {one['user']}" if "user" in one else ""
    partition = f"{one.get('partition', '')}{user}"
    return [number, doing, partition, str(one.get("reason", ""))]


def resumptions(run: Run) -> list[str]:
    """A sentence for each time that the run was resumed, with what was accepted for it."""
    told = []
    for one in run.about.get("resumed") or []:
        notes = "".join(f" {note[:1].upper()}{note[1:]}." for note in one.get("notes") or [])
        told.append(f"Resumed after round {one['after']} on engine {one['engine']}.{notes}")
    return told
