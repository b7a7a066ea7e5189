"""The complete runs below some folders."""

from collections.abc import Sequence
from pathlib import Path

from experiments.housekeeping.listing import runs_below
from fedrec.errors import ConfigError, DataError
from fedrec.runs.record import COMPLETE, Run, read_run


def complete_runs(folders: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Complete runs, each once, and a line for every folder of a run that is left out.

    Args:
        folders: Folders of runs, or folders that hold such.

    Raises:
        ConfigError: No complete run in any of them.
        DataError: A folder that does not exist.
    """
    runs: dict[Path, Run] = {}
    left_out = []
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder; name folders of runs")
        for one in runs_below(folder):
            try:
                run = read_run(one)
            except DataError as error:
                left_out.append(f"left out: {error}")
                continue
            if run.status in COMPLETE:
                runs.setdefault(one.resolve(), run)
            else:
                left_out.append(f"left out: {one} holds a run that is {run.status}")
    if not runs:
        raise ConfigError(
            f"no complete run in {', '.join(map(str, folders))}; `fedrec ls FOLDER` says what is"
        )
    return list(runs.values()), left_out
