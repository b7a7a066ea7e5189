"""Checksum of a run's history, which every checkpoint holds: a changed number is noticed."""

import hashlib
from pathlib import Path

from fedrec.errors import DataError
from fedrec.runs.record import content_of

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
