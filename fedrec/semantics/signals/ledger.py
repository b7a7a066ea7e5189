"""The ledger of calls: one line a call, appended and on the disk before anything goes on.

A process that is killed leaves a torn last line at most. Opening the file again removes it, or
gives it the line break that it lacks, so that what was paid and written whole is never paid again.
"""

import json
import os
from pathlib import Path
from typing import Any

from fedrec.errors import DataError, ResourceError
from fedrec.files.atomic import flush_folder, read_regular

NAME = "ledger.jsonl"
Record = dict[str, Any]


class Ledger:
    """An append-only file of JSON lines; one process at a time may hold it open.

    Args:
        path: The file; it is made where there is none.

    Attributes:
        records: What it holds, in the order of the file.

    Raises:
        DataError: A line before the last is no record: the file was changed by something else.
        ResourceError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Record] = []
        is_new = not path.exists()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            if is_new:
                flush_folder(path.parent)
            content = read_regular(path)
        except OSError as error:
            raise self._unwritable(error) from None
        self._end = self._read(content)
        self._repair(content)

    def append(self, record: Record, *, durable: bool = True) -> None:
        """Write a record and wait until it is on the disk.

        Args:
            record: The record.
            durable: Leave out the waiting only for what may be lost with the power; a kill of the
                process loses nothing that was written.

        Raises:
            ResourceError: The disk is full; the file is as it was before.
        """
        line = f"{json.dumps(record, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace")
        try:
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(None, "No space left on device")
            if durable:
                os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise self._unwritable(error) from None
        self._end += len(line)
        self.records.append(record)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _read(self, content: bytes) -> int:
        """Read the whole lines; return how many bytes of the file they are."""
        end = 0
        for number, line in enumerate(content.splitlines(keepends=True), start=1):
            try:
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError("no object")
            except ValueError:
                if end + len(line) == len(content):
                    return end  # the last one, torn by a kill
                raise DataError(
                    f"{self.path}, line {number} is no record of a call; the file was changed: "
                    "remove that line, or take another folder by --out"
                ) from None
            self.records.append(record)
            end += len(line)
        return end

    def _repair(self, content: bytes) -> None:
        """Cut off a torn line; end one that lacks its line break alone."""
        try:
            if self._end < len(content):
                os.ftruncate(self._file, self._end)
            elif content and not content.endswith(b"\n"):
                self._end += os.write(self._file, b"\n")
            os.fsync(self._file)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> ResourceError:
        return ResourceError(
            f"{self.path} cannot be written: {error.strerror or error}; free space there or take "
            "another folder by --out"
        )
