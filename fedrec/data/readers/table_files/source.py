"""A table with a way to name its rows in messages."""

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fedrec.data.readers.columns import Place
from fedrec.data.readers.columns.distinct import distinct_of
from fedrec.data.readers.columns.usual_names import usual_examples
from fedrec.errors import DataError

NO_HEADER = "no header line"
_DEFAULTS = ("user", "item", "time")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


@dataclass(frozen=True)
class TableSource:
    """A table of events or items, as it was read.

    Attributes:
        name: Name for messages.
        frame: One row per event, or per item.
        place: Where a row stands, for messages.
        kind: How the file was read, such as "gzip, CSV with semicolons"; "" for a DataFrame.
        has_decimal_comma: Whether numbers may be written with a comma, as where a semicolon
            separates the fields.
    """

    name: str
    frame: pd.DataFrame
    place: Place
    kind: str = ""
    has_decimal_comma: bool = False

    @property
    def columns(self) -> list[str]:
        """Names of the columns, as text."""
        return [str(column) for column in self.frame.columns]

    def check_shape(self) -> None:
        """Refuse a table without rows, or with two columns of one name.

        Raises:
            DataError: It is one.
        """
        if len(self.frame) == 0:
            raise DataError(f"{self.name} has no rows; one row per event is needed")
        doubled = self.frame.columns[self.frame.columns.duplicated()]
        if len(doubled):
            raise DataError(f"{self.name}: column {doubled[0]!r} appears more than once")

    def column(self, name: str, key: str) -> pd.Series:
        """The column of a name that must be there; the key is what the user would change.

        Raises:
            DataError: There is no such column.
        """
        if name in self.frame.columns:
            return self.frame[name]
        seen = self.columns
        if NO_HEADER in self.kind:
            raise DataError(
                f"{self.name} has no header line, its columns are numbers from {seen[0]} to "
                f"{seen[-1]}; set data.{key} to the one that is meant, or write a header line"
            )
        hint = ", an unusual separator?" if "CSV" in self.kind and len(seen) == 1 else ""
        usual = f", and none has a usual name ({usual_examples(key)})" if name in _DEFAULTS else ""
        extra = ', or to "" when the rows are in time order' if key == "time-column" else ""
        raise DataError(
            f"{self.name} has no column {name!r}, its columns are {seen}{hint}{usual}; "
            f"set data.{key} to the one that is meant{extra}"
        )

    def optional(self, name: str, standard: str) -> pd.Series | None:
        """The column named, the standard one when no name is given, or None.

        Raises:
            DataError: There is no column of the name.
        """
        if name:
            return self.column(name, f"{standard}-column")
        return self.frame[standard] if standard in self.frame.columns else None

    def numbers(self, series: pd.Series) -> pd.Series:
        """A column of numbers or dates; where a comma may be decimal, 4,5 is 4.5."""
        if not self.has_decimal_comma or series.dtype.kind in "iu":
            return series
        distinct = distinct_of(series)
        if distinct is None:
            return series.map(_with_point)
        values = distinct.values.map(_with_point).astype(object)
        codes, texts = pd.factorize(values)
        coded = pd.Categorical.from_codes(codes[distinct.codes], pd.Index(texts, dtype=object))
        return pd.Series(coded, name=series.name)


def _with_point(value: Any) -> Any:
    """A number with a decimal comma as one with a point; other values as they are."""
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()):
        return value.replace(",", ".")
    return value
