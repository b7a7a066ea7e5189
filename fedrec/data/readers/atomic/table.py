"""One of RecBole's atomic files: tabs, and a header of typed columns such as ``user_id:token``."""

from dataclasses import dataclass

from fedrec.data.readers.raw.tab_rows import tab_rows
from fedrec.errors import DataError

TYPES = ("token", "token_seq", "float", "float_seq")


@dataclass(frozen=True)
class AtomicTable:
    """Columns of a file.

    Attributes:
        name: Name of the file.
        fields: Column -> its text in every row.
        types: Column -> its type.
        lines: Line of every row.
    """

    name: str
    fields: dict[str, list[str]]
    types: dict[str, str]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """A column that must be there.

        Raises:
            DataError: There is no such column.
        """
        if name not in self.fields:
            raise DataError(f"{self.name}, line 1: no column {name!r} in {list(self.fields)}")
        return self.fields[name]


def atomic_table(data: bytes, name: str) -> AtomicTable:
    """Read a file.

    Args:
        data: Bytes of the file.
        name: Name of the file, for messages.

    Raises:
        DataError: The message names the line that is not as the header says.
    """
    columns, found = tab_rows(data, name)
    header = [column.rpartition(":")[::2] for column in columns]
    for place, (column, (field, kind)) in enumerate(zip(columns, header, strict=True)):
        if field in (other for other, _ in header[:place]):
            raise DataError(f"{name}, line 1: column {field!r} appears more than once")
        if not field or kind not in TYPES:
            raise DataError(
                f"{name}, line 1: {column[:40]!r} is no typed column such as user_id:token; the "
                f"types are {', '.join(TYPES)}"
            )
    rows = list(found)
    if not rows:
        raise DataError(f"{name} has a header but no row")
    values = [list(column) for column in zip(*(fields for _, fields in rows), strict=True)]
    return AtomicTable(
        name,
        {field: column for (field, _), column in zip(header, values, strict=True)},
        dict(header),
        [number for number, _ in rows],
    )
