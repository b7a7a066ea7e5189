"""Baseline scorers that train nothing by gradients."""

from functools import lru_cache

import numpy as np

from clients.local_data import LocalData
from fedrec.baselines.names import (
    ITEM_KNN,
    MARKOV,
    NEAREST_TEXT,
    ORACLE,
    POPULARITY,
    RECENT_ITEM_KNN,
    SCORERS,
)
from fedrec.baselines.popularity import popularity_scorer
from fedrec.errors import ConfigError
from fedrec.evaluation.leave_one_out import Scorer
from fedrec.factory.data import PreparedData


def plain_scorer(name: str, data: LocalData, frequency: np.ndarray) -> Scorer:
    """Make a baseline scorer; neighbours and transitions come from this partition's users alone.

    Args:
        name: One of ``SCORERS``; "oracle" goes with synthetic data only.
        data: Training data of the partition.
        frequency: (V + 1,) Training events per item over all clients.

    Raises:
        ConfigError: There is no such scorer.
    """
    if name == POPULARITY:
        return popularity_scorer(frequency)
    if name in (ITEM_KNN, RECENT_ITEM_KNN):
        return _neighbours(data, is_recent=name == RECENT_ITEM_KNN)
    if name == MARKOV:
        return _markov(data)
    if name == NEAREST_TEXT:
        from fedrec.baselines.nearest_text import nearest_text_scorer

        if data.prepared.table is None:
            raise ConfigError("nearest-text needs model.views = 'semantic'")
        return nearest_text_scorer(data.prepared.table.vectors)
    if name == ORACLE:
        return _oracle(data.prepared)
    raise ConfigError(f"scorer must be model or one of {', '.join(SCORERS)}, got {name!r}")


@lru_cache(maxsize=1)
def _neighbours(data: LocalData, *, is_recent: bool) -> Scorer:
    # scipy is imported where it is used: most clients never need it.
    from fedrec.baselines.item_knn import RECENT, item_neighbours, neighbours_scorer

    own = data.training.subset(data.users)
    similarity = item_neighbours(own, data.dataset.catalog.num_items)
    return neighbours_scorer(similarity, RECENT if is_recent else None)


@lru_cache(maxsize=1)
def _markov(data: LocalData) -> Scorer:
    from fedrec.baselines.markov import markov_scorer, transition_shares

    own = data.training.subset(data.users)
    return markov_scorer(transition_shares(own, data.dataset.catalog.num_items))


@lru_cache(maxsize=1)
def _oracle(prepared: PreparedData) -> Scorer:
    from fedrec.baselines.oracle import oracle_scorer

    return oracle_scorer(prepared.dataset)
