"""The rounds of a run as a DataFrame."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

_COUNTED = ("sampled", "aggregated", "excluded", "retried")  # lists of clients


def rounds_frame(history: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a round, by the number of the round; the history has everything as it was recorded.

    Args:
        history: Lines of rounds.jsonl.

    Returns:
        Columns: ``train_loss``, a column for each validation metric, ``best``, ``sampled`` and
        ``aggregated`` and the like as numbers of clients, ``targets``, ``passes``, bytes and
        megabytes, ``elapsed`` and ``seconds_<phase>``. NaN where a round measured nothing.
    """
    rows = [_row(line) for line in history]
    frame = pd.DataFrame(rows, columns=None if rows else ["round"]).set_index("round")
    if "train_loss" in frame:
        frame["train_loss"] = frame["train_loss"].astype("float64")  # None in round 0
    return frame


def _row(line: Mapping[str, Any]) -> dict[str, Any]:
    counts: dict[str, int] = {name: len(line.get(name) or []) for name in _COUNTED}
    counts |= line.get("users") or {}  # every user is a client
    seconds = {f"seconds_{phase}": value for phase, value in (line.get("seconds") or {}).items()}
    plain = {
        name: value
        for name, value in line.items()
        if isinstance(value, int | float) or name == "train_loss"
    }
    return {
        "round": plain.pop("round"),
        "train_loss": plain.pop("train_loss", None),
        **(line.get("validation") or {}),
        **{name: counts[name] for name in _COUNTED},
        **plain,
        **seconds,
    }
