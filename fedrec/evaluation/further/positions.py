"""Every position of users whom no training has seen: the next item after each of their histories.

Leave-one-out asks for one item of a user. Papers on held-out users ask for all of them (DUALRec:
each position after thirty), with the items that the user has had among the candidates or without
them. A mean is then over positions, so that users of long histories weigh more, and its interval
is over users, since the positions of one are no independent draws.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fedrec.data.sequences import Sequences, history_mask
from fedrec.evaluation.bootstrap import resampled_means
from fedrec.evaluation.leave_one_out import BATCH, Scorer
from fedrec.evaluation.metrics import Floats, hr, ndcg
from fedrec.evaluation.ranking import ranks_of

WAYS = ("seen kept", "seen left out")  # of treating items that the user has had
FIGURES = ("HR@1", "HR@5", "HR@10", "NDCG@5", "NDCG@10")


def position_sums(
    scorer: Scorer, sequences: Sequences, users: NDArray[np.integer], *, first: int, num_items: int
) -> Floats:
    """Sums over the positions of each user, (n, 2, 1 + 5): their number, then ``FIGURES``.

    Args:
        scorer: Scores a list of histories.
        sequences: Whole sequences of all users.
        users: (n,) Users whom no training has seen.
        first: Events before the first position that is asked for.
        num_items: V.

    Returns:
        For each user and each of ``WAYS``; zeros for users with no such position.
    """
    sums = np.zeros((len(users), len(WAYS), 1 + len(FIGURES)))
    for rows, histories, wanted in _batches(sequences, users, first):
        scores = scorer(histories, users[rows]).scores
        for way, seen in enumerate((None, history_mask(histories, num_items))):
            figures = _figures(ranks_of(scores, wanted, seen))
            np.add.at(sums[:, way], rows, figures)
    return sums


def position_metrics(sums: Floats, *, seed: int, name: str, resamples: int) -> dict[str, object]:
    """Means over all positions with 95 % bootstrap intervals over users, for metrics.json.

    Args:
        sums: (U, 2, 1 + 5) Sums of ``position_sums``.
        seed: Seed of the run.
        name: Name of what is resampled.
        resamples: Bootstrap resamples.

    Returns:
        {"users": those with a position, "positions": n, "seen kept": {"HR@1": {"value", "low",
        "high"}, ...}, "seen left out": ...}; without figures where there is no position.
    """
    asked = sums[sums[:, 0, 0] > 0]
    found: dict[str, object] = {"users": len(asked), "positions": int(asked[:, 0, 0].sum())}
    if not len(asked):
        return found
    for way, label in enumerate(WAYS):
        table = asked[:, way]
        means = resampled_means(table, seed, name=f"positions {name}", resamples=resamples)
        drawn = means[:, 1:] / means[:, :1]
        low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
        values = table[:, 1:].sum(axis=0) / table[:, 0].sum()
        found[label] = {
            figure: {"value": float(value), "low": float(a), "high": float(b)}
            for figure, value, a, b in zip(FIGURES, values, low, high, strict=True)
        }
    return found


def _figures(ranks: Floats) -> Floats:
    """(n, 1 + 5) a 1 for the position, and its figures."""
    one = {"HR": hr, "NDCG": ndcg}
    names = [figure.split("@") for figure in FIGURES]
    return np.stack([np.ones_like(ranks), *(one[name](ranks, int(k)) for name, k in names)], axis=1)


def _batches(
    sequences: Sequences, users: NDArray[np.integer], first: int
) -> Iterator[tuple[NDArray[np.int64], list[NDArray[np.int32]], NDArray[np.int64]]]:
    """Places among the users (B,), their histories and the items behind these (B,)."""
    rows: list[int] = []
    histories: list[NDArray[np.int32]] = []
    wanted: list[int] = []
    for row, user in enumerate(users.tolist()):
        items = sequences.of(user)
        for position in range(first, len(items)):
            rows.append(row)
            histories.append(items[:position])
            wanted.append(int(items[position]))
            if len(rows) == BATCH:
                yield np.array(rows), histories, np.array(wanted)
                rows, histories, wanted = [], [], []
    if rows:
        yield np.array(rows), histories, np.array(wanted)
