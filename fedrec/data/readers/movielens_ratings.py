"""The ratings files of MovieLens, ``user, item, rating, time``, parsed fast and fully checked."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.interactions import checked_times
from fedrec.data.readers.raw.csv_text import without_mark
from fedrec.errors import DataError


@dataclass(frozen=True)
class RatingColumns:
    """Columns in file order, (E,) each; ids are the numbers of the file, times are seconds."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64]


def read_ratings(
    data: bytes, *, name: str, separator: str, half_stars: bool = False, first_line: int = 1
) -> RatingColumns:
    """Read four numbers a line: user, item, rating, seconds since 1970.

    ``::`` is given to the C engine of pandas as ``:`` with empty columns between, 40 times faster
    than its Python engine.

    Args:
        data: The file, without its header line.
        name: Name of the file, for messages.
        separator: Separator of the columns: ``::``, a tab or a comma.
        half_stars: Whether ratings are .5, 1, ... 5; else 1, 2, ... 5.
        first_line: Line of the file on which ``data`` begins, for messages.

    Raises:
        DataError: The message names the first line that is not as it should be.
    """
    data = without_mark(data, name=name)
    if not data.strip():
        raise DataError(f"{name} is empty; it needs one line per rating")
    lines = _Lines(data, name, separator, half_stars, first_line)
    # Counting bytes is fast and checks the shape before pandas, which drops surplus fields in
    # silence. Equal counts with an odd line also mean a line with too few, which pandas refuses.
    num_lines = data.count(b"\n") + (not data.endswith(b"\n"))
    sign = separator.encode()
    odd_counts = data.count(sign) != 3 * num_lines
    odd_counts |= data.count(sign[:1]) != 3 * len(sign) * num_lines
    # What is left when digits and signs are taken out: `1e3`, `inf` or ` 7` would pass as numbers.
    strange = data.translate(None, delete=b"0123456789\r\n" + sign + (b"." if half_stars else b""))
    if odd_counts or strange:
        lines.check()
    try:
        users, items, ratings, times = _parse(data, separator, half_stars)
    except (ValueError, OverflowError) as error:  # pandas' ParserError is a ValueError
        lines.check()
        raise DataError(f"{name} is not a table of four numbers a line: {error}") from error
    valid = (ratings >= (0.5 if half_stars else 1)) & (ratings <= 5)
    if half_stars:
        valid &= ratings * 2 == np.floor(ratings * 2)
    if not valid.all() or min(users.min(), items.min()) < 0:
        lines.check()
    checked_times(times, lines.place)
    return RatingColumns(users, items, ratings.astype(np.float32), times)


def _parse(data: bytes, separator: str, half_stars: bool) -> list[NDArray[Any]]:
    step = len(separator)
    frame = pd.read_csv(
        io.BytesIO(data),
        sep=separator[0],
        header=None,
        names=list(range(3 * step + 1)),
        usecols=[k * step for k in range(4)],
        dtype={k * step: np.float32 if half_stars and k == 2 else np.int64 for k in range(4)},
        quoting=3,
        engine="c",
    )
    return [frame[column].to_numpy() for column in frame.columns]


@dataclass(frozen=True)
class _Lines:
    """Slow pass over the file that finds the first malformed line."""

    data: bytes
    name: str
    separator: str
    half_stars: bool
    first_line: int

    def _rows(self) -> list[tuple[int, str]]:
        text = self.data.decode("latin-1").split("\n")
        numbered = enumerate((line.rstrip("\r") for line in text), start=self.first_line)
        return [(number, line) for number, line in numbered if line.strip()]

    def place(self, row: int) -> str:
        """File and line of the row-th event, blank lines counted."""
        return f"{self.name}, line {self._rows()[row][0]}"

    def check(self) -> None:
        """Raise for the first line that is wrong; return when only blank lines are odd."""
        sign = {"\t": "tabs", ",": "commas"}.get(self.separator, repr(self.separator))
        for number, line in self._rows():
            place = f"{self.name}, line {number}"
            fields = line.split(self.separator)
            if len(fields) != 4:
                raise DataError(
                    f"{place}: {len(fields)} fields in {line[:60]!r}, expected 4 between {sign} "
                    "(user, item, rating, time); check data.source and data.format"
                )
            for what, value in zip(("user", "item", "time"), (*fields[:2], fields[3]), strict=True):
                if not _is_whole(value):
                    raise DataError(f"{place}: {what} {value!r} is not a whole number, 0 or more")
            if fields[2] not in (_HALF_STARS if self.half_stars else _STARS):
                scale = ".5, 1, ... 5" if self.half_stars else "1, 2, ... 5"
                raise DataError(f"{place}: rating {fields[2]!r} is not one of {scale}")


_STARS = frozenset("12345")
_HALF_STARS = _STARS | {str(n / 2) for n in range(1, 11)}


def _is_whole(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 19
