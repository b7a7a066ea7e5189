"""Rows of a file of tabs with a header line, without quotes."""

from collections.abc import Iterator

from fedrec.data.readers.raw.csv_text import decoded
from fedrec.errors import DataError


def tab_rows(data: bytes, name: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header's fields, and the rows with their line numbers; empty lines are skipped.

    Args:
        data: Bytes of the file, UTF-8.
        name: Name of the file, for messages.

    Raises:
        DataError: No UTF-8, or a row of another number of fields; the message names the line.
    """
    lines = [line.rstrip("\r").split("\t") for line in decoded(data, name=name).split("\n")]
    header = lines[0]

    def rows() -> Iterator[tuple[int, list[str]]]:
        for number, fields in enumerate(lines[1:], start=2):
            if fields == [""]:
                continue
            if len(fields) != len(header):
                raise DataError(
                    f"{name}, line {number}: {len(fields)} fields, the header has {len(header)}"
                )
            yield number, fields

    return header, rows()
