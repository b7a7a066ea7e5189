"""What would be read from a source of events, guessed and dropped, before anything is written."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from fedrec.data.day_sessions import NOTE
from fedrec.data.interactions import LATEST_SECONDS, Interactions, Prepared
from fedrec.data.preparation.sources import find_source
from fedrec.data.preparation.thresholds import Thresholds
from fedrec.data.readers.columns.usual_names import GUESSED, found_by
from fedrec.data.readers.detect import LAYOUTS
from fedrec.data.readers.table_files.read import FORMATS, read_table
from fedrec.data.readers.tables import Columns, ResolvedTable, resolved_table

Line = tuple[str, str]  # label, what is said


def check_data(
    source: str,
    *,
    format: str,
    columns: Columns,
    thresholds: Thresholds,
    home: Path,
    seed: int,
) -> Iterator[Line]:
    """Read a source and say what is in it, in labelled lines.

    Args:
        source: A file, folder or archive, or another value of ``data.source``.
        format: ``data.format``.
        columns: Names of the columns of a table.
        thresholds: Thresholds, and what a user is.
        home: Folder of ``FEDREC_HOME``.
        seed: Seed of synthetic data.

    Raises:
        ConfigError: A key of ``data`` that cannot be.
        DataError: It cannot be read, or nothing would remain; names file and line.
        ResourceError: A package is missing, or a dataset was not fetched.
    """
    found = find_source(source, format=format, home=home, seed=seed, columns=columns)
    if found.format in (*FORMATS, "table"):
        table = read_table(Path(source), "data.source", format)
        resolved = resolved_table(table, columns)
        yield "read as", f"{table.name}: {table.kind}, {len(table.frame):,} rows"
        yield from _columns(resolved, table.columns)
        events = resolved.interactions
    else:
        layout = "a layout" if found.format in LAYOUTS else "data"
        yield "read as", f"{layout} of its own: {found.format}"
        events = found.load()
    for note in events.notes:
        if GUESSED not in note or found.format in LAYOUTS:  # which the columns of a table have said
            yield "note", note
    if thresholds.sessions:
        yield "note", NOTE
    yield from _about(events)
    prepared, _ = thresholds.apply(events, found.key)
    yield from _kept(prepared, events, thresholds)


def _columns(table: ResolvedTable, seen: list[str]) -> Iterator[Line]:
    """Which column holds what, and which are not read."""
    named = asdict(table.columns)
    roles = {
        role: name for role, name in named.items() if isinstance(name, str) and role != "items"
    }
    used: list[str] = []
    for role, name in roles.items():
        column = name or (role if role in seen else "")
        if column in seen:
            how = f" (found by its usual {found_by(column)})" if role in table.found else ""
            yield "column", f"{role} is {column!r}{how}"
            used.append(column)
    for name in (*table.columns.texts, *table.columns.attributes):
        yield "column", f"{name!r} as data.{'text' if name in table.columns.texts else 'attribute'}"
        used.append(name)
    if rest := [name for name in seen if name not in used]:
        yield "not read", ", ".join(repr(name) for name in rest)


def _about(events: Interactions) -> Iterator[Line]:
    """Counts of what was read, before rare items and short users are dropped."""
    users, items = len(np.unique(events.users)), len(np.unique(events.items))
    yield "events", f"{len(events.users):,} of {users:,} users and {items:,} items"
    pairs = len(np.unique(np.stack([events.users, events.items]), axis=1).T)
    if again := len(events.users) - pairs:
        yield "repeats", f"{again:,} events are of an item that the user had before"
    if events.times is not None:
        first, last = (_date(int(time)) for time in (events.times.min(), events.times.max()))
        yield "dates", f"{first} to {last} (UTC)"
    if events.ratings is not None:
        yield "ratings", f"{events.ratings.min():g} to {events.ratings.max():g}"
    if genres := events.catalog.genre_names():
        described = sum(map(bool, events.catalog.genres))
        yield "genres", f"{len(genres):,} on {described:,} of {events.catalog.num_items:,} items"
    blank = sum(not title for title in events.catalog.titles)
    if 0 < blank < events.catalog.num_items:
        yield "missing", f"{blank:,} of {events.catalog.num_items:,} items have no title"
    elif blank:
        yield "missing", "no item has a title: semantic embeddings need another text field"
    for what, count in events.skipped.items():
        yield "repaired", f"{count:,} {what}"


def _kept(prepared: Prepared, events: Interactions, thresholds: Thresholds) -> Iterator[Line]:
    """What the thresholds drop and leave."""
    for what, count in prepared.skipped.items():
        if what not in events.skipped:
            yield "dropped", f"{count:,} {what}"
    sequences, num_items = prepared.sequences, prepared.catalog.num_items
    lengths = sequences.lengths()
    owners = np.repeat(np.arange(sequences.num_users, dtype=np.int64), lengths)
    pairs = len(np.unique(owners * (num_items + 1) + sequences.items))
    sparsity = 100 * (1 - pairs / (sequences.num_users * num_items))
    options = thresholds.options.items()
    keys = [f"data.{name.replace('_', '-')} = {value}" for name, value in options if value]
    yield "thresholds", ", ".join(keys)
    yield (
        "kept",
        f"{sequences.num_events:,} events of {sequences.num_users:,} users and {num_items:,} items",
    )
    yield (
        "events a user",
        f"{lengths.min()} to {lengths.max():,}, median {np.median(lengths):.0f}",
    )
    yield "sparsity", f"{sparsity:.1f} % of the pairs of user and item have no event"


def _date(time: int) -> str:
    """Day and time of a stored time, in seconds or milliseconds."""
    unit = "s" if time < LATEST_SECONDS else "ms"
    return str(pd.Timestamp(time, unit=unit).floor("s"))
