"""Per-slice metrics: by history length, popularity of the target, training events, client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.evaluation.bootstrap import intervals
from fedrec.evaluation.metrics import (
    CUTOFFS,
    NO_USER_METRICS,
    Candidates,
    Floats,
    UserMetric,
    chance,
    per_user,
)

POPULARITY_LABELS = ("head 20 % of events", "middle", "tail 20 % of events", "never seen")


@dataclass(frozen=True)
class Slices:
    """One slice for every user: `labels` of the slices, `member` (U,) an index into them."""

    labels: tuple[str, ...]
    member: NDArray[np.int64]


def by_history_length(lengths: NDArray[np.integer], parts: int = 4) -> Slices:
    """Split users at the quantiles of their history length.

    Users of equal length share a slice, so slices are only about equal in size, and there are
    fewer of them where many lengths are equal.

    Args:
        lengths: (U,) Events before the target.
        parts: How many slices to aim at.

    Returns:
        Slices from short to long, labelled by their shortest and longest history: "4-20", or "4".
    """
    if not len(lengths):
        return Slices((), np.empty(0, dtype=np.int64))
    quantiles = np.quantile(lengths, np.arange(1, parts) / parts, method="inverted_cdf")
    # A slice holds the lengths above the edge before it, up to and including its own.
    member = np.searchsorted(np.unique(quantiles), lengths, side="left")
    _, member = np.unique(member, return_inverse=True)
    ranges = [
        (int(part.min()), int(part.max()))
        for part in (lengths[member == index] for index in range(member.max() + 1))
    ]
    labels = tuple(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
    return Slices(labels, member.astype(np.int64))


def by_popularity(targets: NDArray[np.integer], counts: NDArray[np.integer]) -> Slices:
    """Split users by the popularity of their target in training.

    Items are ordered by training events; the head are the first that make up 20 % of all
    events, the tail the last that make up 20 %.

    Args:
        targets: (U,) Items of 1..V.
        counts: (V+1,) Training events per item.

    Returns:
        Slices labelled `POPULARITY_LABELS`.
    """
    items = counts[1:]
    order = np.argsort(-items, kind="stable")
    total = items.sum()
    # Share of all events that fall on more popular items than this one.
    before = np.empty(len(items), dtype=np.float64)
    before[order] = (np.cumsum(items[order]) - items[order]) / max(total, 1)
    part = np.searchsorted([0.2, 0.8], before, side="right")
    part[items == 0] = 3
    return Slices(POPULARITY_LABELS, part[targets - 1].astype(np.int64))


def by_label(labels: Sequence[str]) -> Slices:
    """Split users by equal labels (U,), sorted by label."""
    names, member = np.unique(np.asarray(labels, dtype=object), return_inverse=True)
    return Slices(tuple(names), member.astype(np.int64))


def by_training_events(
    targets: NDArray[np.integer], counts: NDArray[np.integer], few: int
) -> Slices:
    """Split users by training events of their target: cold, few-shot, warm.

    Args:
        targets: (U,) Items of 1..V.
        counts: (V+1,) Training events per item.
        few: An item with so many training events or fewer, but any, is few-shot.

    Returns:
        Slices "cold (0)", "few-shot (1-5)" and "warm (6 or more)", in words of ``few``.
    """
    labels = (
        "cold (0)",
        f"few-shot (1-{few})" if few > 1 else "few-shot (1)",
        f"warm ({few + 1} or more)",
    )
    return Slices(labels, np.searchsorted([1, few + 1], counts[targets], side="right"))


def slice_metrics(
    slices: Slices,
    ranks: Floats,
    num_candidates: Candidates | None,
    *,
    seed: int,
    at: Sequence[int] = CUTOFFS,
    resamples: int = 1000,
    user_metrics: Mapping[str, UserMetric] = NO_USER_METRICS,
) -> list[dict[str, Any]]:
    """Compute metrics with intervals of every slice that has users, for `metrics.json`.

    Args:
        slices: Slices of the same U users.
        ranks: (U,) Ranks of the held-out items.
        num_candidates: Number of candidates, one for all or (U,).
        seed: Seed of the run; each slice has its own bootstrap stream.
        at: The cut-offs.
        resamples: Number of resamples of the bootstrap.
        user_metrics: Further metrics by name.

    Returns:
        [{"slice": label, "users": n, "metrics": {"HR@10": {"value", "low", "high"}, ...}}, ...];
        with candidates, "chance" holds HR@10 and NDCG@10 of a random order of them.
    """
    values = per_user(ranks, num_candidates, at, user_metrics)
    found = []
    for index, label in enumerate(slices.labels):
        inside = slices.member == index
        if not inside.any():
            continue
        row = {"slice": label, "users": int(inside.sum())}
        row["metrics"] = _inside(values, inside, seed, label, resamples)
        if num_candidates is not None:
            row["chance"] = chance(np.broadcast_to(num_candidates, inside.shape)[inside], 10)
        found.append(row)
    return found


def partition_metrics(
    partitions: NDArray[np.integer],
    ranks: Floats,
    num_candidates: Candidates | None,
    *,
    seed: int,
    at: Sequence[int] = CUTOFFS,
    resamples: int = 1000,
    user_metrics: Mapping[str, UserMetric] = NO_USER_METRICS,
) -> list[dict[str, Any]]:
    """Compute metrics with intervals of every partition that has users; see `slice_metrics`.

    Returns:
        [{"partition": number, "users": n, "metrics": {...}}, ...] in ascending order.
    """
    values = per_user(ranks, num_candidates, at, user_metrics)
    return [
        {
            "partition": int(number),
            "users": int((partitions == number).sum()),
            "metrics": _inside(
                values, partitions == number, seed, f"partition {number}", resamples
            ),
        }
        for number in np.unique(partitions)
    ]


def _inside(
    values: dict[str, Floats], inside: NDArray[np.bool_], seed: int, name: str, resamples: int
) -> dict[str, dict[str, float]]:
    return intervals(
        {metric: v[inside] for metric, v in values.items()}, seed, name=name, resamples=resamples
    )
