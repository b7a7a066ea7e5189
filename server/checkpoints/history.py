"""Checksum of a run's history, which every checkpoint holds: a changed number is noticed."""

import hashlib
import json
from pathlib import Path

from fedrec.errors import DataError
from fedrec.runs.contents import content_of
from fedrec.runs.record import Record, read_rounds

HISTORY = "history"  # in what a checkpoint says of its run


def history_sha256(run: Path, rounds: int) -> str:
    """Sha256 of the first lines of rounds.jsonl.

    Args:
        run: Folder of the run.
        rounds: Number of lines: the rounds from 0 on before that of a checkpoint.
    """
    path = run / "rounds.jsonl"
    lines = content_of(path).split(b"\n")[:rounds] if rounds else []
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def check_history(run: Path, rounds: int, expected: object) -> None:
    """Refuse a history that was changed since a checkpoint.

    Args:
        run: Folder of the run.
        rounds: Round of the checkpoint.
        expected: Checksum that it holds; None if an earlier version wrote it.

    Raises:
        DataError: A line before that round is not what the run wrote.
    """
    if expected is not None and history_sha256(run, rounds) != expected:
        raise DataError(
            f"{run / 'rounds.jsonl'} is not what the run wrote before its checkpoint of round "
            f"{rounds}: a line was changed; copy the file again from where the run was made, or "
            "start again with --overwrite"
        )


def check_line(run: Path, line: Record) -> None:
    """Refuse the line of the checkpoint's own round if it is not that of the checkpoint.

    Its seconds may differ: what writing the checkpoint took is known after that.

    Args:
        run: Folder of the run.
        line: Line of the history that the checkpoint holds.

    Raises:
        DataError: The history has another line of that round.
    """
    path, number = run / "rounds.jsonl", line["round"]
    for found in read_rounds(path, must_exist=False)[0]:
        if found["round"] == number and _numbers(found) != _numbers(line):
            raise DataError(
                f"{path} is not what the run wrote: its line of round {number} is another than "
                "that of the checkpoint; copy the file again from where the run was made, or start "
                "again with --overwrite"
            )


def _numbers(line: Record) -> str:
    kept = {key: value for key, value in line.items() if key != "seconds"}
    return json.dumps(kept, sort_keys=True)
