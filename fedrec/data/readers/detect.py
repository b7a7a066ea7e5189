"""The layouts of data files that can be read, and which of them a folder, archive or file has.

A new layout is one module beside this one with ``LAYOUTS``, ``detect`` and ``load``, listed in
``READERS``.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from fedrec.data.interactions import Interactions
from fedrec.data.readers import amazon, movielens, recbole, sequence_files
from fedrec.data.readers.amazon_reviews import Review, read_reviews
from fedrec.data.readers.raw.archives import (
    LayoutFiles,
    Listing,
    is_archive,
    list_files,
    read_files,
)
from fedrec.data.readers.table_files.read import FORMATS as TABLE_FORMATS
from fedrec.data.readers.table_files.read import tables_in
from fedrec.errors import DataError


class Reader(Protocol):
    """A module that reads one layout, or several of one publisher."""

    @property
    def LAYOUTS(self) -> Iterable[str]:  # noqa: N802 (a constant of the module)
        """Names of the layouts, values of ``data.format``."""

    def detect(self, listing: Listing) -> LayoutFiles | None:
        """Find the files of one of the layouts; None where there are none.

        Raises:
            DataError: Some of them are there, but not all or more than one of a kind.
        """

    def load(self, files: dict[str, bytes], names: dict[str, str], layout: str) -> Interactions:
        """Read the files that ``detect`` found.

        Args:
            files: What each file is for -> its bytes.
            names: The same keys -> file names, for messages.
            layout: One of ``LAYOUTS``.

        Raises:
            DataError: The message names file and line of what cannot be read.
        """


# In the order in which they are asked: the surest signs first.
READERS: tuple[Reader, ...] = (movielens, recbole, sequence_files, amazon)
LAYOUTS = {layout: reader for reader in READERS for layout in reader.LAYOUTS}
FORMATS = ("auto", *LAYOUTS, *TABLE_FORMATS)  # values of data.format

_TABLES_ALONE = (".csv", ".tsv", ".parquet", ".xlsx")  # endings that no layout has


def find_layout(path: Path, format: str) -> LayoutFiles | None:
    """The files of a layout at a path; None for what is to be read as a table.

    Args:
        path: A folder, an archive or a file that exists.
        format: One of ``FORMATS``.

    Raises:
        DataError: A folder or archive of no known layout or another than asked for; files missing.
    """
    is_file = path.is_file() and not is_archive(path)
    if format in TABLE_FORMATS:
        return None
    if format == "auto" and is_file and path.name.lower().endswith(_TABLES_ALONE):
        return None
    root, only = (path.parent, path.name) if is_file else (path, "")
    listing = Listing(root, tuple(list_files(root)), only, format)
    found = next(filter(None, (reader.detect(listing) for reader in READERS)), None)
    if found is not None and format in ("auto", found.layout):
        return found
    if format == "auto" and (is_file or tables_in(listing.names)):
        return None
    seen = f"holds the layout {found.layout}" if found else "holds none of the layouts"
    raise DataError(
        f"{path} {seen}, expected {format if format != 'auto' else ', '.join(LAYOUTS)}; "
        "set data.source to a table of events (CSV, JSON lines, parquet, Excel), or data.format to "
        "the layout meant"
    )


def load_layout(files: LayoutFiles) -> Interactions:
    """Read the files of a layout.

    Raises:
        DataError: The message names file and line of what cannot be read.
    """
    return LAYOUTS[files.layout].load(_contents(files), files.members, files.layout)


def load_reviews(files: LayoutFiles) -> list[Review]:
    """Read the texts of reviews; none of a layout that has no reviews.

    Raises:
        DataError: No review has a text.
    """
    if files.layout not in amazon.LAYOUTS:
        return []
    return read_reviews(_contents(files), files.members, files.layout)


def _contents(files: LayoutFiles) -> dict[str, bytes]:
    contents = read_files(files.root, files.members.values())
    return {role: contents[name] for role, name in files.members.items()}
