"""Show other runs beside a run: local-only, centralised and other baselines, or any run.

Read from their folders alone. Ranks of other items, or among other candidates, are no comparison:
such a run is refused.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fedrec.baselines.names import ORACLE
from fedrec.errors import ConfigError
from fedrec.evaluation.protocols import metric_label
from fedrec.report.ranks import hidden
from fedrec.runs.record import COMPLETE, Run, number, read_run

BASELINE_ENGINE = "baseline ("  # how run.json names the engine of a baseline
ORDER = (
    "popularity",
    "nearest-text",
    "item-knn",
    "recent-item-knn",
    "v-sknn",
    "ease",
    "slim",
    "lightgcn",
    "markov",
    "local-only",
    "centralised",
    ORACLE,
)
MAIN = "NDCG@10"
BATCHES, BY_LENGTH = "batches", "by-length"  # of a reference: what its batches are


def with_references(run: Run, folders: Iterable[Path]) -> Run:
    """Add other runs to the baselines of a run, from what learns least to what learns most.

    Args:
        run: The one that is reported.
        folders: Folders of the others.

    Raises:
        ConfigError: One of them is not complete, has other data, another protocol or scenario,
            comes twice, or is what the run has measured itself; or the run itself has no results
            yet.
        DataError: No run folder, or a damaged file in it.
    """
    own = (run.metrics or {}).get("baselines") or {}
    others: dict[str, Any] = {}
    runs: dict[str, Run] = {}
    for folder in folders:
        other = read_run(folder)
        _check(run, other)
        if (name := reference_name(other)) in others:
            raise ConfigError(f"--reference {folder}: there is a reference {name!r} already")
        if name in own:
            raise ConfigError(
                f"--reference {folder}: {run.folder} has measured {name!r} itself; leave it out"
            )
        runs[name], metrics = other, other.metrics or {}
        others[name] = {stage: metrics.get(stage) or {} for stage in ("validation", "test")}
        others[name][BATCHES] = (other.config.get("local") or {}).get("batches", BY_LENGTH)
    if not others:
        return run
    found = own | others
    places = {name: place for place, name in enumerate(ORDER)}
    ordered = {name: found[name] for name in sorted(found, key=lambda n: places.get(n, 1))}
    metrics = {**(run.metrics or {}), "baselines": ordered}
    return dataclasses.replace(run, metrics=metrics, references=runs)


def reference_name(run: Run) -> str:
    """The kind of a baseline, such as "local-only"; the name of any other run.

    A run that is merely called like a baseline is told from it: "run local".
    """
    engine = str(run.about.get("engine", ""))
    if engine.startswith(BASELINE_ENGINE):
        return engine.removeprefix(BASELINE_ENGINE).rstrip(")")
    return f"run {run.name}" if run.name in ORDER else run.name


def _check(run: Run, other: Run) -> None:
    """Refuse a run whose ranks mean something else."""
    for one in (run, other):
        if one.status not in COMPLETE:
            raise ConfigError(f"{one.folder} holds a run that is {one.status}, not a complete one")
    for what, mine, theirs in (
        ("data", _data(run), _data(other)),
        ("evaluation.protocol", run.protocol, other.protocol),
        ("scenario", hidden(run) or "nothing hidden", hidden(other) or "nothing hidden"),
    ):
        if mine != theirs:
            raise ConfigError(
                f"--reference {other.folder} has another {what} than {run.folder}: "
                f"{theirs}, expected {mine}"
            )


def _data(run: Run) -> str:
    data: Mapping[str, Any] = run.about.get("data") or {}
    return f"{data.get('name')} ({str(data.get('hash'))[:16]})"


def below_popularity(run: Run) -> str:
    """Say that a run ends below its popularity baseline, with both numbers; else nothing."""
    metrics = run.metrics or {}
    popular = (metrics.get("baselines") or {}).get("popularity") or {}
    own, least = (number((part.get("test") or {}).get(MAIN)) for part in (metrics, popular))
    if own is None or least is None or own >= least:
        return ""
    return (
        f"The model is worse than popularity: test {metric_label(MAIN, run.protocol)} is "
        f"{own:.4f}, that of the most popular items {least:.4f}."
    )


def gap_closed(run: Run) -> str:
    """Say how much of the gap between local-only and centralised a run closes; else nothing."""
    metrics = run.metrics or {}
    references = metrics.get("baselines") or {}
    found = [
        number(((part or {}).get("test") or {}).get(MAIN))
        for part in (references.get("local-only"), metrics, references.get("centralised"))
    ]
    local, own, centralised = found
    if local is None or own is None or centralised is None or centralised <= local:
        return ""
    return (
        f"Test {metric_label(MAIN, run.protocol)}: {local:.4f} local-only, {own:.4f} in this run, "
        f"{centralised:.4f} centralised: this run closes "
        f"{100 * (own - local) / (centralised - local):.0f} % of the gap.{_objectives(run)}"
    )


def _objectives(run: Run) -> str:
    """The caveat of a comparison of one-person clients with batches that are no cohorts."""
    centralised = ((run.metrics or {}).get("baselines") or {}).get("centralised") or {}
    is_by_length = centralised.get(BATCHES, BY_LENGTH) == BY_LENGTH
    if (run.config.get("federation") or {}).get("unit") != "user" or not is_by_length:
        return ""
    return (
        " The two optimise different objectives: a centralised batch holds sequences of like "
        "length (local.batches = 'by-length') and is a mean over its targets; a cohort of "
        "one-person clients is not."
    )
