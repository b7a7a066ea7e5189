"""Own data files of many kinds with the same events in them, made by writing them."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

EVENTS = [  # user, item, time, rating, title
    ("007", "b1", 1700000000, 4.5, "Brot, süß"),
    ("7", "NA", 1700003600, 3.0, 'Die "Milch"\nfrisch'),
    ("007", "NA", 1700007200, 1.5, 'Die "Milch"\nfrisch'),
    ("7", "b1", 1700010800, 2.0, "Brot, süß"),
]
NAMES = ["user", "item", "time", "rating", "title"]


def quoted(value: object) -> str:
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)


def csv(
    names: list[str] = NAMES,
    *,
    separator: str = ",",
    end: str = "\n",
    when: Callable[[int], object] = int,
    rating: Callable[[float], str] = str,
) -> str:
    """The events as CSV, every text in quotes."""
    lines = [separator.join(names)]
    for user, item, time, stars, title in EVENTS:
        cells = [quoted(user), quoted(item), str(when(time)), rating(stars), quoted(title)]
        lines.append(separator.join(cells))
    return end.join(lines) + end


def records(names: list[str] = NAMES) -> list[dict[str, object]]:
    return [dict(zip(names, event, strict=True)) for event in EVENTS]


def json_lines(names: list[str] = NAMES) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records(names))


def zone(seconds: int) -> str:
    """Date in a zone for every second event, none for the others."""
    utc = pd.Timestamp(seconds, unit="s")
    return f"{utc}" if seconds // 3600 % 2 else f"{utc + pd.Timedelta(hours=2)}+02:00"


def parquet() -> bytes:
    pytest.importorskip("pyarrow")
    stream = io.BytesIO()
    pd.DataFrame(records()).to_parquet(stream)
    return stream.getvalue()


def excel(*sheets: tuple[str, list[list[object]]]) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(stream)
    return stream.getvalue()


def event_rows() -> list[list[object]]:
    """The events as cells of a sheet, with dates for times."""
    dates = [pd.Timestamp(event[2], unit="s").to_pydatetime() for event in EVENTS]
    return [
        NAMES,
        *([u, i, d, r, t] for (u, i, _, r, t), d in zip(EVENTS, dates, strict=True)),
    ]


def zipped(members: dict[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def encrypted() -> bytes:
    """A zip whose member says that it is behind a password."""
    data = bytearray(zipped({"events.csv": csv()}))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + flags] |= 1
    return bytes(data)


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
