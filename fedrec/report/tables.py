"""What the terminal shows: one row a round while a run goes on, one table at its end."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fedrec.evaluation.protocols import metric_label
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Run, number

ROUND_HEADERS = [
    "round",
    "clients",
    "loss",
    "HR@10",
    "NDCG@10",
    "p10 / p50 / p90",
    "MB",
    "seconds",
]


def round_headers(protocol: str) -> list[str]:
    """`ROUND_HEADERS` with the metrics named after the protocol that made them."""
    return [metric_label(h, protocol) if h in ("HR@10", "NDCG@10") else h for h in ROUND_HEADERS]


def round_row(record: Mapping[str, Any]) -> list[str]:
    """One record of rounds.jsonl as the cells under `ROUND_HEADERS`.

    "-" stands where nothing was measured. The percentiles are those of NDCG@10 over the clients.
    """
    validation = record.get("validation") or {}
    spread = (record.get("clients") or {}).get("NDCG@10")
    percentiles = [f"{spread[p]:.3f}" for p in ("p10", "p50", "p90")] if spread else []
    chosen, used = len(record.get("sampled") or []), len(record.get("aggregated") or [])
    if users := record.get("users"):
        chosen, used = users["sampled"], users["aggregated"]
    loss = record.get("train_loss")
    return [
        str(record["round"]) + (" *" if record.get("best") else ""),
        f"{used}/{chosen}" if chosen else "-",
        "-" if loss is None else f"{loss:.4f}",
        *(f"{validation[m]:.4f}" if m in validation else "-" for m in ("HR@10", "NDCG@10")),
        " / ".join(percentiles) or "-",
        f"{record.get('megabytes', 0):,.1f}",
        f"{record['seconds']['total']:.1f}",
    ]


def final_table(run: Run) -> Table:
    """Test metrics with their intervals, beside validation and the references of the run."""
    metrics = run.metrics or {}
    references: Mapping[str, Any] = metrics.get("baselines") or {}
    title = Text(f"{plain(run.name)}: {run.status}", style="bold")
    if reason := plain(run.about.get("reason", "")):
        title.append(f" ({reason})")
    if run.best_round is not None:
        title.append(f", weights of round {run.best_round}")
    # Four references and the intervals fit into the 80 columns of an ordinary terminal.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("metric", no_wrap=True)
    table.add_column("test", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    for name in references:
        table.add_column(Text(plain(name)), justify="right", no_wrap=True)
    table.add_column("validation", justify="right", no_wrap=True)
    test, validation = metrics.get("test") or {}, run.validation
    for name in metric_names(test, validation):
        cells = [test.get(name)]
        others = [(parts.get("test") or {}).get(name) for parts in references.values()]
        table.add_row(
            Text(metric_label(name, run.protocol)),
            *map(shown, cells),
            interval(test.get(name)),
            *map(shown, [*others, validation.get(name)]),
            style="bold" if name == "NDCG@10" else None,
        )
    return table


def metric_names(*columns: Mapping[str, Any]) -> list[str]:
    """Every metric that a column has, in the order of the first that has it."""
    return list(dict.fromkeys(name for column in columns for name in column))


def shown(cell: Any) -> str:
    """The value of a metric with four decimals, or "-"."""
    value = number(cell)
    return "-" if value is None else f"{value:.4f}"


def interval(cell: Any) -> str:
    """The bounds of a metric's interval, or nothing."""
    if not isinstance(cell, Mapping) or cell.get("low") is None or cell.get("high") is None:
        return ""
    return f"{cell['low']:.4f} to {cell['high']:.4f}"
