"""Write the files of a run folder: a line for each round, whole JSON objects, whole tables.

A reader sees the old file or the new one, never half of it; only rounds.jsonl grows line by line.
"""

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fedrec.errors import DataError, FedrecError, ResourceError
from fedrec.files.atomic import flush, write_file
from fedrec.runs.checksums import SEAL, seal
from fedrec.runs.record import read_rounds

# A spreadsheet skips blanks and invisible marks before a formula and takes full-width signs for
# signs; a tab or a line break starts a cell of its own when text is pasted.
_FORMULA = re.compile(
    r"[\s\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]"
)


def append_round(path: Path, record: Mapping[str, Any]) -> None:
    """Append one round to rounds.jsonl and wait until it is on the disk.

    A missing value is None, never NaN. The folder's own entry is not synced: the file exists
    from the first round on, and a torn end is what `read_rounds` expects.

    Raises:
        FedrecError: A NaN, an infinity or an object that JSON does not know, named by its key.
        ResourceError: The disk is full or the file cannot be written.
    """
    line = _dumps(record, f"round {record.get('round')}", indent=None) + "\n"
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line)
            flush(file)
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}") from None


def cut_rounds(path: Path, last: int) -> None:
    """Keep the rounds up to `last`, as a resume from the checkpoint of that round must."""
    records, _ = read_rounds(path, must_exist=False)
    kept = [r for r in records if r["round"] <= last]
    write_file(path, "".join(_dumps(r, "round", indent=None) + "\n" for r in kept).encode())


def write_about(path: Path, about: Mapping[str, Any]) -> None:
    """Write a run.json with a checksum of its own content; the arguments are ``write_json``'s."""
    plain = _plain(about)
    write_json(path, plain | {SEAL: seal(plain)})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object so that a reader sees the old file or the new one, never half of it.

    Raises:
        FedrecError: A NaN, an infinity or an object that JSON does not know, named by its key.
        ResourceError: The disk is full or the file cannot be written.
    """
    write_file(path, (_dumps(content, path.name, indent=2) + "\n").encode())


def write_csv(path: Path, columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> None:
    """Write users.csv or items.csv, whole or not at all, with no cell a spreadsheet would run.

    Args:
        path: The file.
        columns: Name -> one value per row. Text that starts like a formula gets an apostrophe
            in front; numbers are left as they are.

    Raises:
        DataError: Columns of different lengths.
        ResourceError: The disk is full or the file cannot be written.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path.name}: columns of different lengths {lengths}")
    table = pd.DataFrame({name: _harmless_cells(values) for name, values in columns.items()})
    table.columns = pd.Index([_harmless(name) for name in columns])
    # Text is always quoted: the csv module leaves a lone carriage return bare, which ends a row.
    text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    write_file(path, text.encode())


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _harmless_cells(values: Sequence[Any] | npt.NDArray[Any]) -> Any:
    is_numeric = isinstance(values, np.ndarray) and values.dtype.kind in "biuf"
    return values if is_numeric else [_harmless(cell) for cell in values]


def _dumps(content: Mapping[str, Any], where: str, indent: int | None) -> str:
    plain = _plain(content)
    for key, number in _numbers(plain):
        if not math.isfinite(number):
            raise FedrecError(f"{where}: {key} is {number}; a missing value is None, never NaN")
    try:
        return json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FedrecError(f"{where}: {error}") from None


def _plain(value: Any) -> Any:
    """Turn numpy's numbers and arrays, at any depth, into Python's."""
    match value:
        case np.ndarray() | np.generic():
            return value.tolist()
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
    return value


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every float with the path to it, such as ("validation.HR@10", 0.2)."""
    if isinstance(value, float):
        yield key, value
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for name, inner in children:
        yield from _numbers(inner, f"{key}.{name}" if key else str(name))
