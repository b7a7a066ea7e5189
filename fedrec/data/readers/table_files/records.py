"""JSON: one object a line (JSON lines), or one list of objects."""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from fedrec.data.readers.raw.json_lines import read_lines
from fedrec.data.readers.table_files.delimited import text_of
from fedrec.data.readers.table_files.source import TableSource
from fedrec.errors import DataError

_BY_COLUMNS = (
    "by columns, as pandas writes it by default; write one object a line: "
    'frame.to_json(path, orient="records", lines=True)'
)


def read_json(data: bytes, *, name: str) -> TableSource:
    """The table of a file of JSON objects; a field that an object lacks is missing in that row.

    Args:
        data: Bytes of the file.
        name: Name of the file, for messages.

    Raises:
        DataError: The message names the first line that holds no object.
    """
    is_list = data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    rows = list(_listed(data, name) if is_list else _lines(data, name))
    if not rows:
        raise DataError(f"{name} holds no object; one per event is needed")
    places = [place for place, _ in rows]
    names = dict.fromkeys(key for _, record in rows for key in record)
    columns = {key: [record.get(key) for _, record in rows] for key in names}
    frame = pd.DataFrame(columns, dtype=object)
    kind = "a list of JSON objects" if is_list else "JSON lines"
    return TableSource(name, frame, lambda row: places[row], kind)


def _lines(data: bytes, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in read_lines(data, name=name):
        yield _checked(_loaded(line, f"{name}, line {number}"), f"{name}, line {number}")


def _listed(data: bytes, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    found = _loaded(text_of(data, name=name), name)
    for number, record in enumerate(found, start=1):
        yield _checked(record, f"{name}, object {number}")


def _checked(record: object, place: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(record, dict):
        raise DataError(f"{place}: {str(record)[:60]!r} is no JSON object with a field a column")
    if record and all(isinstance(value, dict) for value in record.values()):
        raise DataError(f"{place} is JSON {_BY_COLUMNS}")
    return place, record


def _loaded(text: str, place: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [key for key, _ in pairs]
            again = next(key for key in names if names.count(key) > 1)
            raise DataError(f"{place}: field {again!r} appears more than once in an object")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        why = getattr(error, "msg", "too deep")
        if text.strip() == "{":
            why = "an object over several lines; write one object a line"
        raise DataError(f"{place}: {text.strip()[:60]!r} is no JSON ({why})") from None
