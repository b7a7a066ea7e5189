"""A column by its distinct values, so that each of them is parsed once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Distinct(NamedTuple):
    """A column of E values of which N differ.

    Attributes:
        values: (N,) the values in order of first appearance, under the column's name.
        codes: (E,) which of them a row holds.
    """

    values: pd.Series
    codes: NDArray[np.integer]

    def place(self, place: Callable[[int], str]) -> Callable[[int], str]:
        """Where a value first stands, from where a row stands."""
        return lambda value: place(int(np.argmax(self.codes == value)))


def distinct_of(series: pd.Series) -> Distinct | None:
    """The distinct values of a column of coded texts, as CSV files are read; None of another."""
    dtype = series.dtype
    if not isinstance(dtype, pd.CategoricalDtype) or dtype.categories.dtype != object:
        return None
    codes = series.cat.codes.to_numpy()
    if len(codes) == 0 or codes.min() < 0:  # missing values, in a column of the user's own
        return None
    number, seen = pd.factorize(codes)
    if not np.array_equal(seen, np.arange(len(dtype.categories))):
        codes = number
    del number
    texts = dtype.categories.to_numpy()[seen]
    return Distinct(pd.Series(texts, dtype=object, name=series.name), codes)


def first_rows(codes: NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) the first row of each of the codes 0..N-1, all of which occur."""
    first = np.empty(int(codes.max()) + 1, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # the last one written stays
    return first
