"""`fedrec quickstart`: one federation on embedded data beside what it is to be compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.baselines.run import run_baseline
from experiments.engines.run import run
from experiments.settings import resolve
from fedrec.report.page import write_report
from fedrec.runs.directory import check_room
from fedrec.runs.record import load

# Small enough for a minute of two cores; the preset's own twenty rounds take two.
SETTINGS = (
    "data.source=synthetic:users=600,items=200",
    "evaluation.resamples=200",
    "loss.negatives=128",
)
FEDERATED = (*SETTINGS, "federation.rounds=6")
CENTRALISED = (*SETTINGS, "federation.rounds=6", "federation.evaluate-every=2")
METRICS = ("HR@10", "NDCG@10")

OnRound = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class QuickRow:
    """Test figures of one way to recommend.

    Attributes:
        name: What made them.
        figures: Metric -> value, low, high; low and high are missing where the run has none.
    """

    name: str
    figures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Quickstart:
    """What the quickstart left.

    Attributes:
        report: Report of the federated run, with the others beside it.
        rows: Popularity, clients alone, federation, one place with all data.
    """

    report: Path
    rows: list[QuickRow]


def quickstart(
    folder: Path,
    *,
    overwrite: bool = False,
    command: str = "fedrec quickstart",
    on_step: Callable[[str, str], OnRound] = lambda name, protocol: lambda line: None,
) -> Quickstart:
    """Run a federation, every client alone, and one place with all data; write one report.

    Nothing is fetched. Each of the three is a run folder of its own under ``folder``.

    Args:
        folder: Where the runs go.
        overwrite: Replace what an earlier quickstart left there.
        command: Command that repeats it.
        on_step: Called before each run with its name and protocol; gives what is called with each
            line of its rounds.jsonl.

    Raises:
        FedrecError: A run failed, or the folder holds something else.
    """
    options = {"run.overwrite": overwrite or None}
    places = {name: folder / name for name in ("federated", "local-only", "centralised")}
    for place in places.values():
        check_room(place, overwrite=overwrite)
    federated = resolve("synthetic", FEDERATED, options | {"run.dir": str(places["federated"])})
    protocol = federated.protocol_names[0]
    run(
        federated,
        engine="inline",
        command=command,
        on_round=on_step("ten clients, federated", protocol),
    )
    run_baseline(
        "local-only",
        resolve("synthetic", FEDERATED, options),
        places["local-only"],
        on_step("every client alone", protocol),
    )
    run_baseline(
        "centralised",
        resolve("synthetic", CENTRALISED, options, centralised=True),
        places["centralised"],
        on_step("one place with all data", protocol),
        threads=1,  # small products: a second thread would mostly wait
    )
    report = write_report(places["federated"], [places["local-only"], places["centralised"]])
    return Quickstart(report, _rows(places))


def _rows(places: dict[str, Path]) -> list[QuickRow]:
    found = {name: load(place).metrics or {} for name, place in places.items()}
    popularity = (found["federated"].get("baselines") or {}).get("popularity") or {}
    named = {
        "popularity": popularity.get("test") or {},
        "every client alone": found["local-only"].get("test") or {},
        "ten clients, federated": found["federated"].get("test") or {},
        "one place with all data": found["centralised"].get("test") or {},
    }
    return [
        QuickRow(
            name, {metric: _figure(figures[metric]) for metric in METRICS if metric in figures}
        )
        for name, figures in named.items()
    ]


def _figure(value: Any) -> dict[str, float]:
    return dict(value) if isinstance(value, dict) else {"value": float(value)}
