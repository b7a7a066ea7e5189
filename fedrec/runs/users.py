"""The table of users that a run leaves."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.errors import DataError


def users_table(content: bytes, path: Path) -> pd.DataFrame:
    """Read users.csv.

    Args:
        content: Its bytes.
        path: Its path, for the message.

    Raises:
        DataError: A column is missing or not all numbers.
    """
    needed = {"events", "rank", "HR@10", "NDCG@10"}
    try:
        # Ids stay text: 007 and 7 are two users, and NA may be a name.
        table = pd.read_csv(io.BytesIO(content), dtype={"original_id": str}, na_filter=False)
    except ValueError as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}; the file is damaged") from None
    if missing := needed - set(table.columns):
        raise DataError(f"{path}: no column {sorted(missing)}; the file is damaged")
    for column in needed:
        numbers_in(table, column, path)
    return table


def numbers_in(table: pd.DataFrame, column: str, path: Path) -> NDArray[np.float64]:
    """(U,) A column of users.csv that must hold numbers.

    Raises:
        DataError: It holds others.
    """
    is_numeric = pd.api.types.is_numeric_dtype(table[column])
    if not is_numeric or not np.isfinite(table[column]).all():
        raise DataError(f"{path}: column {column} is not all numbers; the file is damaged")
    return table[column].to_numpy(dtype=np.float64)
