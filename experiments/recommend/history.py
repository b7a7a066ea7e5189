"""A history as it is typed: original ids or titles, the newest last."""

from collections.abc import Sequence
from pathlib import Path

from fedrec.errors import ConfigError
from fedrec.inference.titles import ItemFinder

BETWEEN = "|"  # titles hold commas


def item_ids(values: Sequence[str], finder: ItemFinder) -> list[str]:
    """The items that ``--history`` names.

    A value is one id as it stands; else ids or titles with ``|`` between; else ids with commas
    between; else one title. So an id that holds a comma or begins with a blank is a value of its
    own.

    Args:
        values: As they were typed; the newest last.
        finder: Items of the catalogue.

    Raises:
        ConfigError: A value with nothing before or between its separators.
        DataError: A text that names no item or several.
    """
    return [item for value in values for item in _of_value(value, finder)]


def _of_value(value: str, finder: ItemFinder) -> list[str]:
    if finder.is_id(value):
        return [value]
    between = BETWEEN if BETWEEN in value else ","
    parts = value.split(between)
    if not all(part.strip() for part in parts):
        raise ConfigError(
            f"--history must be ids with a comma between, or ids and titles with {BETWEEN} "
            f"between, got {value!r}; an id that holds a comma or a blank is given whole, by a "
            "--history of its own"
        )
    if between == BETWEEN:
        return [finder.find(part) for part in parts]
    known = [part if finder.is_id(part) else part.strip() for part in parts]
    return known if all(map(finder.is_id, known)) else [finder.find(value)]


def history_in(path: Path, finder: ItemFinder) -> list[str]:
    """The ids or titles in a file, one a line, the newest last; blank lines are left out.

    Raises:
        ConfigError: No text file, or nothing in it.
        DataError: A line that names no item or several.
    """
    try:
        if not path.is_file():
            raise ValueError("no regular file")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"--history-file {str(path)!r} cannot be read: {error}") from None
    if not any(line.strip() for line in lines):
        raise ConfigError(f"--history-file {str(path)!r} is empty; it needs one item a line")
    return [finder.find(line) for line in lines if line.strip()]
