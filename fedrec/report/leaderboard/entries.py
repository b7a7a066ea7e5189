"""Rows of a leaderboard: what was trained, where, and how well, from run folders alone."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedrec.config.config import Value
from fedrec.report.comparison.groups import (
    BASELINE,
    NO_BASELINE,
    Group,
    differing_keys,
    group_runs,
    shown_value,
    telling_keys,
)
from fedrec.report.comparison.measured import group_figures, measure
from fedrec.report.ranks import MAIN, hidden
from fedrec.report.words import thousands
from fedrec.runs.record import Record, Run

SHOWN = (MAIN, "HR@10")
CENTRALISED, LOCAL_ONLY = "centralised", "local-only"
ONE_PLACE, ONE_PERSON, ALONE = "one place", "one-person clients", "clients alone"
_TEN = 10  # clients, the number that a table of a paper has
_ORDER = (ONE_PLACE, "silos", ONE_PERSON, ALONE)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The runs of one config.

    Attributes:
        model: Model or baseline, with the keys that tell it from another row.
        federation: "one place", "ten silos", "one-person clients" and the like.
        figures: Metric -> value, low, high, sd_seeds, seeds, users and interval_over.
        seconds: Seconds of a run, in the mean over the seeds.
        megabytes: Megabytes that a client sent and received, likewise; None where nothing travels.
        group: The runs.
    """

    model: str
    federation: str
    figures: Mapping[str, Record]
    seconds: float
    megabytes: float | None
    group: Group

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the runs, ascending."""
        return tuple(self.group.runs)


@dataclass(frozen=True, kw_only=True)
class Section:
    """Rows that may stand on one axis: of the same data, protocol and scenario.

    Attributes:
        data: Name of the dataset.
        sizes: Its users, items and events.
        protocol: Evaluation protocol, as the names of metrics have it.
        scenario: What the scenario hides; "" for nothing.
        entries: The rows, by federation, the highest first.
    """

    data: str
    sizes: str
    protocol: str
    scenario: str
    entries: Sequence[Entry]


def sections(runs: Iterable[Run]) -> list[Section]:
    """Group complete runs into tables; runs of another protocol are never in one.

    Args:
        runs: Complete runs; seeds of one config are one row.

    Raises:
        ConfigError: Two runs of one config and seed, or a run that is not complete.
        DataError: A damaged table in a run's folder.
    """
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        about = run.about.get("data") or {}
        key = (str(about.get("name")), str(about.get("hash")), run.protocol, hidden(run))
        found.setdefault(key, []).append(run)
    return [
        Section(
            data=data,
            sizes=_sizes(of_one[0].about.get("data") or {}),
            protocol=protocol,
            scenario=scenario,
            entries=_entries(of_one),
        )
        for (data, _, protocol, scenario), of_one in sorted(found.items())
    ]


def entry_of(group: Group, model: str = "") -> Entry:
    """The row of one config.

    Args:
        group: Its runs.
        model: What it is called; by its model if empty.
    """
    measured, metrics = measure([group], SHOWN)
    rows = group_figures(measured[0], metrics)
    runs = list(group.runs.values())
    return Entry(
        model=model or _model(group.settings),
        federation=federation_of(group.settings),
        figures={row["metric"]: row for row in rows},
        seconds=statistics.fmean(float(run.about.get("seconds") or 0.0) for run in runs),
        megabytes=_megabytes(group),
        group=group,
    )


def federation_of(settings: Mapping[str, Value]) -> str:
    """Where the data of a config lie."""
    kind = settings[BASELINE]
    if kind == LOCAL_ONLY:
        return ALONE
    if kind != NO_BASELINE:
        return ONE_PLACE
    if settings["federation.unit"] == "user":
        return ONE_PERSON
    count = settings["partition.count"]
    return ONE_PLACE if count == 1 else f"{'ten' if count == _TEN else count} silos"


def _entries(runs: Sequence[Run]) -> list[Entry]:
    groups = group_runs(runs)
    names = _names(groups)
    rows = [entry_of(group, name) for group, name in zip(groups, names, strict=True)]

    def order(entry: Entry) -> tuple[int, str, float]:
        place = next(i for i, word in enumerate(_ORDER) if word in entry.federation)
        return place, entry.federation, -float(entry.figures[MAIN]["value"])

    return sorted(rows, key=order)


def _names(groups: Sequence[Group]) -> list[str]:
    """What each row is called; the keys in which it differs from one of its name, behind it."""
    plain = [(_model(group.settings), federation_of(group.settings)) for group in groups]
    names = []
    for group, (model, federation) in zip(groups, plain, strict=True):
        own = (model, federation)
        alike = [g.settings for g, one in zip(groups, plain, strict=True) if one == own]
        keys = telling_keys(differing_keys(alike), alike)
        told = ", ".join(f"{key}={shown_value(group.settings.get(key))}" for key in keys)
        names.append(f"{model}, {told}" if told else model)
    return names


def _model(settings: Mapping[str, Value]) -> str:
    kind = str(settings[BASELINE])
    return str(settings["model.name"]) if kind in (NO_BASELINE, CENTRALISED, LOCAL_ONLY) else kind


def _sizes(about: Mapping[str, object]) -> str:
    names = ("users", "items", "events")
    return ", ".join(f"{thousands(about[name])} {name}" for name in names if name in about)


def _megabytes(group: Group) -> float | None:
    """Megabytes of a client; None of a row whose data lie in one place, where nothing travels."""
    if federation_of(group.settings) in (ONE_PLACE, ALONE):
        return None
    sent = [run.history[-1].get("client_megabytes") for run in group.runs.values() if run.history]
    known = [float(one) for one in sent if one is not None]
    return statistics.fmean(known) if known else None
