"""Bytes of a packed file, and what kind of file bytes are by their beginning."""

import bz2
import gzip
import io
import lzma
import zlib
from typing import Any, NamedTuple

from fedrec.data.readers.raw.archives import MAX_FILE_BYTES
from fedrec.errors import DataError

_PIECE = 1 << 20
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_OPENERS: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
# What a file is that holds no table that can be read, and what to do.
_REFUSED = {
    b"\xd0\xcf\x11\xe0": "an Excel file of the old kind (.xls); save it as .xlsx or CSV",
    b"%PDF": "a PDF; export the table as CSV",
    b"SQLite format 3": "a database of SQLite; export the table of events as CSV",
    b"\x89HDF": "an HDF5 file; save the table as parquet or CSV",
    b"ARROW1": "a Feather file; save the table as parquet or CSV",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it, or pack it with gzip",
    b"\x80\x04": "a pickle, which is never loaded; save the table as parquet or CSV",
    b"\x80\x05": "a pickle, which is never loaded; save the table as parquet or CSV",
}


class Unpacked(NamedTuple):
    """Bytes of a file without the packing around them.

    Attributes:
        data: The bytes.
        how: How they were packed: gzip, bzip2, xz or "".
    """

    data: bytes
    how: str


def unpacked(data: bytes, *, name: str, max_bytes: int = MAX_FILE_BYTES) -> Unpacked:
    """Unpack gzip, bzip2 or xz; other bytes stay as they are.

    Args:
        data: Bytes of the file.
        name: Name of the file, for messages.
        max_bytes: Unpacked size that is allowed.

    Raises:
        DataError: Damaged, cut short, or too large.
    """
    how = next((how for magic, how in _PACKED.items() if data.startswith(magic)), "")
    if not how:
        return Unpacked(data, "")
    pieces, size = [], 0
    stream: Any = _OPENERS[how](io.BytesIO(data))
    try:
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > max_bytes:
                raise DataError(
                    f"{name} unpacks to more than {max_bytes} bytes; give a smaller table, or the "
                    "unpacked file"
                )
            pieces.append(piece)
    except (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise DataError(
            f"{name} is damaged or was cut short ({how}: {error}); fetch or pack it again"
        ) from None
    return Unpacked(b"".join(pieces), how)


def kind_of(data: bytes, *, name: str) -> str:
    """What bytes are by their beginning: parquet, zip, jsonl or csv (any other text).

    Raises:
        DataError: Nothing, or a kind that holds no table that can be read.
    """
    if data.startswith(b"PAR1"):
        return "parquet"
    if data.startswith(b"PK\x03\x04"):
        return "zip"
    for magic, what in _REFUSED.items():
        if data.startswith(magic):
            raise DataError(f"{name} is {what}")
    if data[257:262] == b"ustar":
        raise DataError(f"{name} is a tar archive; give it the ending .tar or .tar.gz")
    if any(data.startswith(magic) for magic in _PACKED):
        raise DataError(f"{name} is packed twice; unpack it once")
    begin = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\0\xff\xfe")
    if not begin and len(data) <= 512:
        raise DataError(f"{name} is empty; a header line and one row per event are needed")
    if begin.startswith((b"{", b"[")):
        return "jsonl"
    if begin.startswith(b"<"):
        raise DataError(
            f"{name} is an HTML or XML page, maybe of an error or a login; fetch the table itself"
        )
    return "csv"
