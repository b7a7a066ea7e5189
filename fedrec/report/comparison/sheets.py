"""The tables of a comparison, as columns and rows that a terminal and every file take."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fedrec.config.config import Value
from fedrec.evaluation.protocols import metric_label
from fedrec.report.ablation.columns import Column, interval, p_value, short
from fedrec.report.comparison.groups import differing_keys, shown_value
from fedrec.runs.record import Record

RESULTS = "Test metrics, mean over seeds"
NAME = 44  # characters of a group's label on one line of a terminal


@dataclass(frozen=True)
class Sheet:
    """A table of a comparison.

    Attributes:
        name: Anchor and label of the table.
        title: What it shows.
        columns: Its columns; the first is the name of a row.
        rows: Records that the columns show.
        main: Name of the rows that stand out.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Record]
    main: str = ""

    @property
    def headers(self) -> list[str]:
        """Headers on one line each."""
        return [" ".join(column.header.split()) for column in self.columns]

    def texts(self) -> list[list[str]]:
        """All cells, row by row."""
        return [[column.text(row) for column in self.columns] for row in self.rows]


def sheets(
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    fairness: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Value]],
) -> list[Sheet]:
    """The tables that a comparison has rows for.

    Args:
        table: Figures of each group and metric.
        pairs: Figures of each pair and metric.
        fairness: Spread over users and clients of each group and metric.
        settings: Label of a group -> its config.
    """
    found = [_results(table), _differences(pairs), _fairness(fairness), _settings(settings)]
    return [sheet for sheet in found if sheet.rows]


def by_row(table: pd.DataFrame) -> Sheet:
    """The results with a row for each group and metric, for what is no wider than a sheet."""
    columns = [
        _name("group"),
        Column("metric", lambda row: metric_label(row["metric"], row["protocol"]), 8),
        Column("mean", _value, 6),
        Column("95 %", interval, 16),
        Column("SD over seeds", lambda row: _none_or_short(row["sd_seeds"]), 6),
        Column("seeds", lambda row: str(row["seeds"]), 5),
        Column("users", lambda row: f"{row['users']:,}", 5),
    ]
    return Sheet("results", RESULTS, columns, records(table))


def _none_or_short(value: float | None) -> str:
    return "-" if value is None else short(value)


def _results(table: pd.DataFrame) -> Sheet:
    """A row for each group, two columns for each metric."""
    rows = []
    for label, part in table.groupby("group", sort=False):
        cells = {row["metric"]: row for row in records(part)}
        rows.append({"group": label, **next(iter(cells.values())), "cells": cells})
    columns = [_name("group"), _count("seeds"), _count("users")]
    protocols = list(dict.fromkeys(table["protocol"]))
    for place, metric in enumerate(dict.fromkeys(table["metric"])):
        label = metric_label(metric, protocols[0]) if len(protocols) == 1 else metric
        columns += [
            Column(label.replace(" (", "\n("), _cell(metric, _value), 6, place),
            Column(f"{metric}\n95 %", _cell(metric, interval), 14, place),
        ]
    if len(protocols) > 1:
        columns.append(Column("protocol", lambda row: str(row["protocol"]), 12))
    return Sheet("results", RESULTS, columns, rows)


def _cell(metric: str, text: Callable[[Mapping[str, Any]], str]) -> Callable[[Record], str]:
    def shown(row: Record) -> str:
        cell = row["cells"].get(metric)
        return text(cell) if cell else ""

    return shown


def _value(row: Mapping[str, Any]) -> str:
    return short(float(row["value"]))


def _differences(pairs: pd.DataFrame) -> Sheet:
    """A row for each pair and metric."""
    rows = records(pairs)
    bases = list(dict.fromkeys(str(row["against"]) for row in rows))
    with_seeds = Column("p users\nand seeds", lambda row: p_value(row["p_users_and_seeds"]), 6, 3)
    columns = [
        _name("group"),
        *([Column("against", lambda row: str(row["against"]), 22, 6)] if len(bases) > 1 else ()),
        Column("metric", lambda row: str(row["metric"]), 8),
        Column("difference", lambda row: short(row["difference"], signed=True), 7),
        Column("95 %", lambda row: interval(row, signed=True), 16, 1),
        Column("p\nusers", lambda row: p_value(row["p_users"]), 6, 4),
        *([with_seeds] if any(row["p_users_and_seeds"] is not None for row in rows) else ()),
        Column("p\nHolm", lambda row: p_value(row["p_holm"]), 6),
        Column("smallest\nfound", lambda row: short(row["smallest_found"]), 6, 2),
        Column("seeds", lambda row: str(row["seeds"]), 5, 5),
        Column("users", lambda row: f"{row['users']:,}", 5, 5),
        Column("result", lambda row: str(row["verdict"]), 19),
    ]
    base = f" to {bases[0]}" if len(bases) == 1 else ""
    return Sheet("differences", f"Differences{base}, paired by user", columns, rows)


def _fairness(fairness: pd.DataFrame) -> Sheet:
    """A row for each group and metric."""

    def figure(name: str) -> Callable[[Record], str]:
        return lambda row: _none_or_short(row[name])

    columns = [
        _name("group"),
        Column("metric", lambda row: str(row["metric"]), 8),
        Column("worst decile\nof users", figure("worst_decile_users"), 6),
        Column("Gini\nof users", figure("gini_users"), 6),
        Column("clients", lambda row: f"{row['clients']:,.0f}", 7, 2),
        Column("p10\nclients", figure("p10_clients"), 6, 1),
        Column("p50\nclients", figure("p50_clients"), 6, 1),
        Column("p90\nclients", figure("p90_clients"), 6, 1),
        Column("worst decile\nof clients", figure("worst_decile_clients"), 6),
    ]
    return Sheet("fairness", "Spread over users and clients", columns, records(fairness))


def _settings(settings: Mapping[str, Mapping[str, Value]]) -> Sheet:
    """A row for each key in which groups differ, a column for each; none where labels say all."""
    keys = differing_keys(list(settings.values()))
    if all(f"{key}=" in label for key in keys for label in settings) or len(settings) < 2:
        keys = []

    def of(label: str) -> Callable[[Record], str]:
        return lambda row: str(row[label])

    rows = [
        {"key": key} | {label: shown_value(one.get(key)) for label, one in settings.items()}
        for key in keys
    ]
    columns = [Column("key", lambda row: str(row["key"]), 24)]
    columns += [Column(label.replace(", ", ",\n"), of(label), 16) for label in settings]
    return Sheet("settings", "Keys in which the groups differ", columns, rows)


def _name(header: str) -> Column:
    return Column(header, lambda row: str(row["group"]), NAME)


def _count(name: str) -> Column:
    return Column(name, lambda row: f"{row[name]:,}", 5, 1)


def records(table: pd.DataFrame) -> list[Record]:
    """Rows as dictionaries, what is missing as None."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]
