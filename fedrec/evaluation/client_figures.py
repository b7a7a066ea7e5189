"""Figures over clients that no single client can move far, and the clients that stand far out.

Every client ranks its own held-out items, and nothing outside it can prove the ranks. A mean over
users moves with what one client says; a median and a trimmed mean over clients hardly do (Yin et
al., "Byzantine-Robust Distributed Learning", ICML 2018, use both for updates).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.evaluation.metrics import hr, ndcg
from fedrec.evaluation.spread import partition_means

TRIMMED = 0.1  # share of the clients that is left out at either end, rounded up to one
FAR = 5.0  # standard deviations from the other clients at which a client is named
FEWEST = 4  # clients with which one can be compared with the others


def client_figures(
    ranks: NDArray[np.float64], partitions: NDArray[np.integer]
) -> dict[str, dict[str, Any]]:
    """Mean, median and trimmed mean over clients of HR@10 and NDCG@10, and who stands far out.

    A client stands far out where its mean differs from the mean of the other clients' means by
    more than ``FAR`` times the root of their variance plus the variance of a mean of as many users.

    Args:
        ranks: (U,) Ranks of the held-out items.
        partitions: (U,) Client that holds each user.

    Returns:
        Metric -> {"mean", "median", "trimmed_mean", "low", "high", "far_out": [{"partition",
        "users", "value", "others"}, ...]}, over clients with users.
    """
    values = {"HR@10": hr(ranks, 10), "NDCG@10": ndcg(ranks, 10)}
    return {name: _figures(np.asarray(each, float), partitions) for name, each in values.items()}


def _figures(values: NDArray[np.float64], partitions: NDArray[np.integer]) -> dict[str, Any]:
    clients, means = partition_means(values, partitions)
    sizes = np.unique(partitions, return_counts=True)[1]
    squares = partition_means(np.square(values), partitions)[1] * sizes
    cut = max(1, int(np.ceil(TRIMMED * len(means) - 1e-9))) if len(means) > 2 else 0
    kept = np.sort(means)[cut : len(means) - cut]
    return {
        "mean": float(means.mean()),
        "median": float(np.median(means)),
        "trimmed_mean": float(kept.mean()),
        "low": float(means.min()),
        "high": float(means.max()),
        "far_out": _far_out(clients, sizes, means, squares),
    }


def _far_out(
    clients: NDArray[np.integer],
    sizes: NDArray[np.integer],
    means: NDArray[np.float64],
    squares: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Clients (C,) far from the others, by their numbers of users, means and sums of squares."""
    if len(clients) < FEWEST:
        return []
    found = []
    for index, client in enumerate(clients):
        is_other = np.arange(len(clients)) != index
        others, users = means[is_other], sizes[is_other].sum()
        mean_user = (sizes[is_other] @ others) / users
        of_a_user = max(squares[is_other].sum() / users - mean_user**2, 0.0)
        deviation = np.sqrt(others.var(ddof=1) + of_a_user / sizes[index])
        if abs(means[index] - others.mean()) > FAR * deviation:
            found.append(
                {
                    "partition": int(client),
                    "users": int(sizes[index]),
                    "value": float(means[index]),
                    "others": float(others.mean()),
                }
            )
    return found


def far_out_clients(figures: Mapping[str, Any]) -> list[str]:
    """A sentence for each client that stands far out, from what ``client_figures`` returned."""
    return [
        f"Partition {one['partition']} ({one['users']} users) stands far out: {metric} "
        f"{one['value']:.4f}, the other clients {one['others']:.4f} on average; the server "
        "cannot check its ranks."
        for metric, found in figures.items()
        for one in found["far_out"]
    ]
