"""Client sampling, excluded replies and resumptions of a run, in words and rows."""

from collections.abc import Mapping
from typing import Any

from fedrec.evaluation.client_figures import far_out_clients
from fedrec.evaluation.protocols import metric_label
from fedrec.runs.record import Run, sampled_and_aggregated

HEADERS = ["round", "phase", "partition", "reason"]


def client_sampling(run: Run) -> str:
    """Say how many clients a round sampled and how many replies it aggregated; else nothing."""
    counts = [sampled_and_aggregated(line) for line in run.history if line["round"] > 0]
    if run.no_model or not any(sampled for sampled, _ in counts):
        return ""  # a local-only baseline samples nobody
    whose = "users" if any(line.get("users") for line in run.history) else "partitions"
    if counts and {sampled for sampled, _ in counts} == {1}:
        whose = whose[:-1]
    sampled, aggregated = (sum(each) / len(counts) for each in zip(*counts, strict=True))
    return (
        f"Client sampling: {sampled:,.4g} {whose} a round, {aggregated:,.4g} of them aggregated, "
        "on average."
    )


def excluded_replies(run: Run) -> list[list[str]]:
    """A row for each excluded reply: round, phase, partition, reason."""
    rows = []
    for line in run.history:
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


def client_figures(run: Run) -> list[str]:
    """Say what the figures over clients are, who stands far out, and whose word they are."""
    figures = (run.metrics or {}).get("client_figures") or {}
    if not figures:
        return []
    told = [
        f"{metric_label(name, run.protocol)} over clients, each counted once: mean "
        f"{one['mean']:.4f}, median {one['median']:.4f}, trimmed mean {one['trimmed_mean']:.4f}, "
        f"from {one['low']:.4f} to {one['high']:.4f}."
        for name, one in figures.items()
    ]
    return [
        *told,
        *far_out_clients(figures),
        "Evaluation trusts the clients: each ranks the held-out items of its own users, and the "
        "server cannot check that.",
    ]


def resumptions(run: Run) -> list[str]:
    """A sentence for each time that the run was resumed, with what was accepted for it."""
    told = []
    for one in run.about.get("resumed") or []:
        notes = "".join(f" {note[:1].upper()}{note[1:]}." for note in one.get("notes") or [])
        told.append(f"Resumed after round {one['after']} on engine {one['engine']}.{notes}")
    return told
