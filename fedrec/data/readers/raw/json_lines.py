"""Files with one record a line, in JSON or as Python prints a dict, packed or not."""

import ast
import gzip
import io
import json
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

from fedrec.errors import DataError

MAX_LINE = 4 << 20  # bytes; the longest published product record has less than half of that

_GZIP = b"\x1f\x8b"


def read_lines(data: bytes, *, name: str) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is not blank, unpacked on the way.

    Raises:
        DataError: The packed file is damaged or cut short, a line is endless or no UTF-8.
    """
    stream: Any = io.BytesIO(data)
    if data.startswith(_GZIP):
        stream = gzip.GzipFile(fileobj=stream)
    number = 0
    while True:
        try:
            line = stream.readline(MAX_LINE + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(
                f"{name} is damaged or was cut short after line {number} ({error}); fetch it again"
            ) from None
        if not line:
            break
        number += 1
        if len(line) > MAX_LINE:
            raise DataError(f"{name}, line {number}: longer than {MAX_LINE} bytes; no record is")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}, line {number}: byte {error.start} of the line is not UTF-8"
            ) from None
        if text.strip():
            yield number, text
    if number == 0:
        raise DataError(f"{name} is empty; it needs one record a line")


def read_records(data: bytes, *, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and record of every line; a Python dict is read as a literal, never evaluated.

    Raises:
        DataError: The message names the first line that holds no record.
    """
    for number, text in read_lines(data, name=name):
        record = _record(text)
        if record is None:
            raise DataError(
                f"{name}, line {number}: {text[:60]!r} is no record; expected a JSON object or a "
                "Python dict"
            )
        yield number, record


def _record(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd escapes such as "\d"
                found = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return found if isinstance(found, dict) else None
