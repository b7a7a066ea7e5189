"""Which published layout a folder, an archive or a file has, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedrec.data.readers import amazon, recbole, sequence_files
from fedrec.data.readers.archives import is_archive, list_files, read_files
from fedrec.data.readers.movielens import LAYOUTS as MOVIELENS
from fedrec.data.readers.movielens import layout_of, load_movielens, members_of
from fedrec.errors import DataError

if TYPE_CHECKING:
    from fedrec.data.interactions import Interactions

LAYOUTS = (*MOVIELENS, *amazon.LAYOUTS, sequence_files.LAYOUT, recbole.LAYOUT)
TABLES = ("csv", "parquet")

_TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Found:
    """Files of a known layout.

    Attributes:
        layout: one of ``LAYOUTS``.
        name: of the data.
        root: folder or archive.
        members: names of the files in it.
        load: reads the events.
    """

    layout: str
    name: str
    root: Path
    members: tuple[str, ...]
    load: Callable[[], "Interactions"]


def find_layout(path: Path, format: str) -> Found | None:
    """The files of a layout at a path; None for a file that is to be read as a table.

    Args:
        path: a folder, an archive or a file that exists.
        format: the layout that it must have, or "auto".

    Raises:
        DataError: a folder or archive of no known layout or another than asked for; files missing.
    """
    is_file = path.is_file() and not is_archive(path)
    if format in TABLES or (format == "auto" and path.suffix.lower() in _TABLES):
        return None
    if not is_file:
        layout = format if format in MOVIELENS else layout_of(path) if format == "auto" else None
        if layout is not None:
            members = tuple(members_of(path, layout).values())
            return Found(layout, layout, path, members, lambda: load_movielens(path, layout))
    elif format in MOVIELENS:
        raise DataError(f"{path} is one file; {format} needs the folder or archive around it")
    root, only = (path.parent, path.name) if is_file else (path, "")
    found = _recognised(root, list_files(root), only, format)
    if found is not None and format in ("auto", found.layout):
        return found
    if format == "auto" and is_file:
        return None
    seen = f"holds the layout {found.layout}" if found else "holds none of the layouts"
    raise DataError(
        f"{path} {seen}, expected {format if format != 'auto' else ', '.join(LAYOUTS)}; "
        "set data.source to a CSV or parquet file, or data.format to the layout meant"
    )


def _recognised(root: Path, names: list[str], only: str, format: str) -> Found | None:
    """Files of the layouts that a dataset's own name does not tell, the surest signs first."""
    if match := recbole.find_recbole(names, only, str(root)):
        layout, members = match
        name = Path(members["events"]).stem
        return _found(layout, name, root, members, recbole.load_recbole)
    is_asked_for = format == sequence_files.LAYOUT
    if match := sequence_files.find_ordered(names, only, str(root), is_asked_for=is_asked_for):
        layout, members = match
        name = (only or root.name).partition(".")[0]
        return _found(layout, name, root, members, sequence_files.load_ordered)
    if match := amazon.find_amazon(names, only, str(root)):
        layout, members = match
        category = amazon.category_of(layout, members["events"])
        name = f"{category}-{layout.removeprefix('amazon-')}"
        return _found(
            layout,
            name,
            root,
            members,
            lambda files, names: amazon.load_amazon(files, names, layout),
        )
    return None


def _found(
    layout: str,
    name: str,
    root: Path,
    members: dict[str, str],
    load: Callable[[dict[str, bytes], dict[str, str]], "Interactions"],
) -> Found:
    def read() -> "Interactions":
        contents = read_files(root, members.values())
        return load({key: contents[name] for key, name in members.items()}, members)

    return Found(layout, name, root, tuple(members.values()), read)
