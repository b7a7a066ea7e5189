"""The figures that a tracker is told, by names with slashes as trackers group them."""

from collections.abc import Iterator, Mapping
from typing import Any

from server.trackers.tracker import Figures

COUNTED = ("sampled", "aggregated", "excluded")
TRAFFIC = ("megabytes", "client_megabytes", "bytes_down", "bytes_up", "bytes_evaluate")


def round_figures(line: Mapping[str, Any]) -> Figures:
    """Loss, validation metrics, spread over clients, numbers of clients, traffic and seconds.

    Args:
        line: A line of rounds.jsonl.
    """
    return dict(_round(line))


def _round(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    if line["train_loss"] is not None:
        yield "train/loss", line["train_loss"]
    for metric, value in (line["validation"] or {}).items():
        if value is not None:
            yield f"validation/{metric}", value
    for metric, spread in (line["clients"] or {}).items():
        for name, value in spread.items():
            yield f"clients {metric}/{name}", value
    counts = {name: len(line[name]) for name in COUNTED} | (line["users"] or {})
    for name in COUNTED:
        yield f"clients/{name}", counts[name]
    for name in TRAFFIC:
        yield f"traffic/{name}", line[name]
    yield "seconds/elapsed", line["elapsed"]
    for phase, seconds in line["seconds"].items():
        yield f"seconds/{phase}", seconds


def final_figures(metrics: Mapping[str, Any]) -> Figures:
    """Test metrics with the bounds of their intervals.

    Args:
        metrics: Metrics.json.
    """
    return dict(_final(metrics))


def _final(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for metric, cell in (metrics.get("test") or {}).items():
        yield f"test/{metric}", cell["value"]
        for bound in ("low", "high"):
            if bound in cell:
                yield f"test/{metric}/{bound}", cell[bound]
