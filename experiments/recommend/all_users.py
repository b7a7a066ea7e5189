"""Lists of all users of a run as one table: CSV or parquet."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.recommend.answer import check_k
from experiments.recommend.opened import Opened
from fedrec.errors import ConfigError, ResourceError
from fedrec.files.atomic import new_file
from fedrec.inference.recommender import ReadyRecommender
from fedrec.runs.write import write_csv

TOGETHER = 256  # users whose lists are made at once
SUFFIXES = (".csv", ".parquet")
Columns = dict[str, list[Any]]


def write_all_users(
    opened: Opened, path: Path, k: int, progress: Callable[[int, int], None] = lambda *_: None
) -> int:
    """Write the top k of every user, one row an item: user, rank, item, title, score.

    Where clients keep a part of the model, the column ``list`` says whose a list is: "global" or
    "personalised".

    Args:
        opened: A run whose data is here.
        path: File to write, ``.csv`` or ``.parquet``; replaced whole or not at all.
        k: Length of a list.
        progress: Called with the number of users done and of all.

    Returns:
        Number of users.

    Raises:
        ConfigError: Another suffix, a length below 1, or a model that knows no user.
        ResourceError: pyarrow is missing, or the file cannot be written.
    """
    check_k(k)
    _check(opened, path)
    users = opened.shared.dataset.user_ids
    columns: Columns = {}
    done = 0
    for start in range(0, len(users), TOGETHER):
        for name, ready, some in _whose(opened, users[start : start + TOGETHER]):
            _append(columns, name, ready, some, k)
        done = min(start + TOGETHER, len(users))
        progress(done, len(users))
    if not opened.shared.config.model.private:
        columns.pop("list", None)
    _write(path, columns)
    return len(users)


def _check(opened: Opened, path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--all-users {path} must end in .csv or .parquet")
    if not os.path.isdir(path.parent):
        raise ConfigError(f"--all-users {path}: there is no folder {path.parent}")
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ResourceError(
                f"--all-users {path} needs pyarrow: pip install 'fedrec[parquet]', or name a "
                "file that ends in .csv"
            ) from None
    if not opened.shared.dataset.user_ids:
        raise ConfigError(
            f"--all-users: the users are not known here "
            f"({opened.shared.dataset.manifest.get('no_users')})"
        )
    if not opened.is_model and opened.why_not:
        raise ConfigError(f"--all-users: there are no private parameters: {opened.why_not}")


def _whose(opened: Opened, users: list[str]) -> list[tuple[str, ReadyRecommender, list[str]]]:
    """Users by the recommender that serves them, with the name of the list."""
    found = [("global", opened.shared, users)] if opened.is_model else []
    own: dict[int, tuple[str, ReadyRecommender, list[str]]] = {}
    for user in users if opened.of_client else ():
        ready = opened.of_user(user)
        if ready is not None:
            own.setdefault(id(ready), ("personalised", ready, []))[2].append(user)
    return [*found, *own.values()]


def _append(columns: Columns, name: str, ready: ReadyRecommender, users: list[str], k: int) -> None:
    for user, found in zip(users, ready.recommend_many(users, k), strict=True):
        for rank, one in enumerate(found, start=1):
            row = {"user": user, "list": name, "rank": rank, **one._asdict()}
            for column, value in row.items():
                columns.setdefault(column, []).append(value)


def _write(path: Path, columns: Columns) -> None:
    if path.suffix.lower() == ".csv":
        write_csv(path, columns)
        return
    import pandas as pd

    try:
        with new_file(path) as file:
            pd.DataFrame(columns).to_parquet(file, index=False, engine="pyarrow")
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror or error}") from None
