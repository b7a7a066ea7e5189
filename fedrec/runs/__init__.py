"""The run folder: read as one record, written line by line, prepared, shown without secrets.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.runs.directory import check_room, prepare_run_dir
    from fedrec.runs.plain_text import plain
    from fedrec.runs.record import (
        COMPLETE,
        FORMAT,
        STATUSES,
        Run,
        load,
        read_json,
        read_rounds,
        read_run,
    )
    from fedrec.runs.redaction import hide_secrets, hide_secrets_in_text
    from fedrec.runs.write import append_round, cut_rounds, write_csv, write_json

__all__ = [
    "COMPLETE",
    "FORMAT",
    "STATUSES",
    "Run",
    "append_round",
    "check_room",
    "cut_rounds",
    "hide_secrets",
    "hide_secrets_in_text",
    "load",
    "plain",
    "prepare_run_dir",
    "read_json",
    "read_rounds",
    "read_run",
    "write_csv",
    "write_json",
]

_HOMES = {
    "COMPLETE": "fedrec.runs.record",
    "FORMAT": "fedrec.runs.record",
    "Run": "fedrec.runs.record",
    "STATUSES": "fedrec.runs.record",
    "append_round": "fedrec.runs.write",
    "check_room": "fedrec.runs.directory",
    "cut_rounds": "fedrec.runs.write",
    "hide_secrets": "fedrec.runs.redaction",
    "hide_secrets_in_text": "fedrec.runs.redaction",
    "load": "fedrec.runs.record",
    "plain": "fedrec.runs.plain_text",
    "prepare_run_dir": "fedrec.runs.directory",
    "read_json": "fedrec.runs.record",
    "read_rounds": "fedrec.runs.record",
    "read_run": "fedrec.runs.record",
    "write_csv": "fedrec.runs.write",
    "write_json": "fedrec.runs.write",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
