"""From a path to a table: the one file of a folder or archive, unpacked and read by its content."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from fedrec.data.readers.raw.archives import is_archive, list_files, read_files
from fedrec.data.readers.table_files.binary import is_workbook, read_parquet, read_workbook
from fedrec.data.readers.table_files.delimited import read_delimited
from fedrec.data.readers.table_files.records import read_json
from fedrec.data.readers.table_files.source import TableSource
from fedrec.data.readers.table_files.unpack import kind_of, unpacked
from fedrec.errors import DataError

# File ending -> format, a value of data.format. The content decides; this finds files in folders.
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".xlsx": "excel",
}
FORMATS = tuple(dict.fromkeys(ENDINGS.values()))
_PACKINGS = (".gz", ".bz2", ".xz")
_READERS = {
    "csv": read_delimited,
    "jsonl": read_json,
    "parquet": read_parquet,
    "excel": read_workbook,
}


def _without_packing(name: str) -> str:
    for ending in (*_PACKINGS, ".zip"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name


def bare_name(name: str) -> str:
    """A file's name without the endings of packing and format: my.events of my.events.csv.gz."""
    name = _without_packing(name)
    ending = PurePosixPath(name).suffix
    return name.removesuffix(ending) if ending.lower() in ENDINGS else name


def has_ending(name: str) -> bool:
    """Whether a name ends as a table does, packed or not."""
    return format_of(name) != "table"


def format_of(name: str) -> str:
    """The format that a name's ending says, or "table" where it says none."""
    return ENDINGS.get(PurePosixPath(_without_packing(name)).suffix.lower(), "table")


def tables_in(names: Iterable[str]) -> list[str]:
    """The tables among the names of files; a single file of any name is one."""
    seen = [
        name
        for name in names
        if not PurePosixPath(name).name.startswith(".") and "__MACOSX" not in name
    ]
    found = [name for name in seen if has_ending(name)]
    return found if found or len(seen) != 1 else seen


def read_table(path: Path, key: str, format: str = "auto") -> TableSource:
    """Read a table: CSV, JSON lines, parquet or Excel, packed or not, alone or in a folder or zip.

    Args:
        path: File, folder or archive with one table.
        key: Key that names it, for messages.
        format: "auto", or one of ``FORMATS`` that it must have.

    Raises:
        DataError: No such file, several tables, or one that cannot be read; names the line.
        ResourceError: A package is missing.
    """
    name, data, outer = _bytes_of(path, key)
    data, inner = unpacked(data, name=name)
    kind = kind_of(data, name=name)
    if kind == "zip":
        if not is_workbook(data):
            raise DataError(f"{name} is an archive; give it the ending .zip, or unpack it")
        kind = "excel"
    if kind == "jsonl" and format == "csv":  # a header may begin with a bracket
        kind = "csv"
    if format not in ("auto", kind):
        raise DataError(
            f"{name} is {kind} by its content, but data.format is {format!r}; set it to 'auto'"
        )
    table = _READERS[kind](data, name=name)
    how = ", ".join(part for part in (outer, inner, table.kind) if part)
    return TableSource(table.name, table.frame, table.place, how, table.has_decimal_comma)


def table_file(path: Path, key: str) -> Path:
    """The file of a table: the only one of a folder, else the path itself.

    Raises:
        DataError: The folder holds no table or several.
    """
    return path / _only_table(path, key) if os.path.isdir(path) else path


def _bytes_of(path: Path, key: str) -> tuple[str, bytes, str]:
    """Name, bytes and packing of the one table at a path."""
    if not os.path.exists(path):  # False for a name that is too long
        raise DataError(f"{path} does not exist; set {key} to a file that does")
    path = table_file(path, key)
    if not is_archive(path):
        return path.name, path.read_bytes(), ""
    member = _only_table(path, key)
    how = path.suffix.removeprefix(".").lower()
    return PurePosixPath(member).name, read_files(path, [member])[member], how


def _only_table(path: Path, key: str) -> str:
    """Name of the only table in a folder or archive."""
    found = tables_in(list_files(path))
    if len(found) == 1:
        return found[0]
    held = f"{len(found)} tables ({', '.join(found[:5])})" if found else "no table"
    more = ", and data.items to a table of items" if key == "data.source" and found else ""
    raise DataError(f"{path} holds {held}, expected one; set {key} to the file that is meant{more}")
