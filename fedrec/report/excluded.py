"""Client sampling, excluded replies and resumptions of a run, in words and rows."""

from collections.abc import Mapping
from typing import Any

from fedrec.runs.record import Run

HEADERS = ["round", "phase", "partition", "reason"]


def client_sampling(run: Run) -> str:
    """Say how many clients a round sampled and how many replies it aggregated; else nothing."""
    counts = [sampled_and_aggregated(line) for line in run.rounds if line["round"] > 0]
    if run.no_model or not any(sampled for sampled, _ in counts):
        return ""  # a local-only baseline samples nobody
    whose = "users" if any(line.get("users") for line in run.rounds) else "partitions"
    sampled, aggregated = (sum(each) / len(counts) for each in zip(*counts, strict=True))
    return (
        f"Client sampling: {sampled:,.4g} {whose} a round, {aggregated:,.4g} of them aggregated, "
        "on average."
    )


def sampled_and_aggregated(line: Mapping[str, Any]) -> tuple[int, int]:
    """How many clients a round sampled, and how many it aggregated."""
    if users := line.get("users"):
        return users["sampled"], users["aggregated"]
    return len(line.get("sampled") or []), len(line.get("aggregated") or [])


def excluded_replies(run: Run) -> list[list[str]]:
    """A row for each excluded reply: round, phase, partition, reason."""
    rows = []
    for line in run.rounds:
        number = str(line["round"])
        rows += [_row(number, "train, first try", one) for one in line.get("retried") or []]
        rows += [_row(number, one.get("while", ""), one) for one in line.get("excluded") or []]
    for evaluation, ones in (run.about.get("excluded") or {}).items():
        rows += [_row("", evaluation, one) for one in ones]
    return rows


def _row(number: str, phase: str, one: Mapping[str, Any]) -> list[str]:
    user = f", user {one['user']}" if "user" in one else ""
    partition = f"{one.get('partition', '')}{user}"
    return [number, phase, partition, str(one.get("reason", ""))]


def resumptions(run: Run) -> list[str]:
    """A sentence for each time that the run was resumed, with what was accepted for it."""
    told = []
    for one in run.about.get("resumed") or []:
        notes = "".join(f" {note[:1].upper()}{note[1:]}." for note in one.get("notes") or [])
        told.append(f"Resumed after round {one['after']} on engine {one['engine']}.{notes}")
    return told
