"""What the terminal shows: one row a round while a run goes on, one table at its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fedrec.evaluation.protocols import metric_label
from fedrec.report.references import below_popularity
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Run, number, sampled_and_aggregated

RoundRecord = Mapping[str, Any]  # a line of rounds.jsonl


@dataclass(frozen=True)
class RoundColumn:
    """A column of the table of rounds.

    Attributes:
        header: Name of the column; that of a metric gets the protocol behind it.
        width: Characters of the column where the table is printed line by line.
        text: What it shows of a line of rounds.jsonl; "-" where nothing was measured.
    """

    header: str
    width: int
    text: Callable[[RoundRecord], str]


def _best(record: RoundRecord) -> str:
    return str(record["round"]) + (" *" if record.get("best") else "")


def _clients(record: RoundRecord) -> str:
    sampled, aggregated = sampled_and_aggregated(record)
    return f"{aggregated}/{sampled}" if sampled else "-"


def _loss(record: RoundRecord) -> str:
    loss = record.get("train_loss")
    return "-" if loss is None else f"{loss:.4f}"


def _validation(metric: str) -> Callable[[RoundRecord], str]:
    return lambda record: shown((record.get("validation") or {}).get(metric))


def _users(record: RoundRecord) -> str:
    """Over how many users the validation metrics are means."""
    count = record.get("validation_users")
    return f"{count:,}" if record.get("validation") and count else "-"


def _percentiles(record: RoundRecord) -> str:
    """Of NDCG@10 over the clients."""
    spread = (record.get("clients") or {}).get("NDCG@10")
    return " / ".join(f"{spread[p]:.3f}" for p in ("p10", "p50", "p90")) if spread else "-"


ROUND_COLUMNS = (
    RoundColumn("round", 7, _best),
    RoundColumn("clients", 9, _clients),
    RoundColumn("train loss", 12, _loss),
    RoundColumn("HR@10", 9, _validation("HR@10")),
    RoundColumn("NDCG@10", 9, _validation("NDCG@10")),
    RoundColumn("users", 8, _users),
    RoundColumn("p10 / p50 / p90", 23, _percentiles),
    RoundColumn("MB", 10, lambda record: f"{record.get('megabytes', 0):,.1f}"),
    RoundColumn("seconds", 9, lambda record: f"{record['seconds']['total']:.1f}"),
)


def round_headers(protocol: str) -> list[str]:
    """Headers of the table of rounds, the metrics named after the protocol that made them."""
    headers = [column.header for column in ROUND_COLUMNS]
    return [metric_label(h, protocol) if h in ("HR@10", "NDCG@10") else h for h in headers]


def round_row(record: RoundRecord) -> list[str]:
    """One line of rounds.jsonl as a row under ``round_headers``."""
    return [column.text(record) for column in ROUND_COLUMNS]


def final_table(run: Run) -> Table:
    """Test metrics with their intervals, beside validation and the baselines of the run."""
    metrics = run.metrics or {}
    baselines: Mapping[str, Any] = metrics.get("baselines") or {}
    title = Text(f"{plain(run.name)}: {run.status}", style="bold")
    if reason := plain(run.about.get("reason", "")):
        title.append(f" ({reason})")
    if run.best_round is not None:
        title.append(f", weights of round {run.best_round}")
    if count := num_users(metrics.get("test") or {}):
        title.append(f", {count:,} users")
    # Four baselines and the intervals fit into the 80 columns of an ordinary terminal. A title is
    # wrapped at the width of its table.
    wide = min(title.cell_len, 80)
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), min_width=wide
    )
    if remark := below_popularity(run):
        table.caption, table.caption_justify = Text(remark, style="bold"), "left"
    table.add_column("metric", no_wrap=True)
    table.add_column("test", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    for name in baselines:
        table.add_column(Text(plain(name)), justify="right", no_wrap=True)
    table.add_column("validation", justify="right", no_wrap=True)
    test, validation = metrics.get("test") or {}, run.validation
    for name in metric_names(test, validation):
        cells = [test.get(name)]
        others = [(parts.get("test") or {}).get(name) for parts in baselines.values()]
        table.add_row(
            Text(metric_label(name, run.protocol)),
            *map(shown, cells),
            interval(test.get(name)),
            *map(shown, [*others, validation.get(name)]),
            style="bold" if name == "NDCG@10" else None,
        )
    return table


def num_users(metrics: Mapping[str, Any]) -> int | None:
    """How many users the metrics of one stage and protocol are means over, where it is recorded."""
    counts = [cell.get("users") for cell in metrics.values() if isinstance(cell, Mapping)]
    return next((count for count in counts if count), None)


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
