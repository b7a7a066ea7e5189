"""Baseline scorers that train nothing by gradients."""

from functools import lru_cache

import numpy as np

from clients.local_data import LocalData
from fedrec.baselines.names import (
    EASE,
    ITEM_KNN,
    MARKOV,
    NEAREST_TEXT,
    ORACLE,
    POPULARITY,
    RECENT_ITEM_KNN,
    SCORERS,
    SESSION_KNN,
    SLIM,
)
from fedrec.baselines.popularity import popularity_scorer
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.evaluation.leave_one_out import Scorer
from fedrec.factory.data import PreparedData


def plain_scorer(name: str, data: LocalData, frequency: np.ndarray) -> Scorer:
    """Make a baseline scorer; what it is fitted on is this partition's users alone.

    Args:
        name: One of ``SCORERS``; "oracle" goes with synthetic data only.
        data: Training data of the partition.
        frequency: (V + 1,) Training events per item over all clients.

    Raises:
        ConfigError: There is no such scorer.
    """
    if name == POPULARITY:
        return popularity_scorer(frequency)
    if name in _FITTED:
        return _fitted(data, name)
    if name == NEAREST_TEXT:
        from fedrec.baselines.nearest_text import nearest_text_scorer

        if data.prepared.table is None:
            raise ConfigError("nearest-text needs model.views = 'semantic'")
        return nearest_text_scorer(data.prepared.table.vectors)
    if name == ORACLE:
        return _oracle(data.prepared)
    raise ConfigError(f"scorer must be model or one of {', '.join(SCORERS)}, got {name!r}")


@lru_cache(maxsize=1)
def _fitted(data: LocalData, name: str) -> Scorer:
    own = data.training.subset(data.users)
    return _FITTED[name](own, data.dataset.catalog.num_items)


# scipy is imported where it is used: most clients never need it.
def _item_knn(training: Sequences, num_items: int) -> Scorer:
    from fedrec.baselines.item_knn import item_neighbours, neighbours_scorer

    return neighbours_scorer(item_neighbours(training, num_items))


def _recent_item_knn(training: Sequences, num_items: int) -> Scorer:
    from fedrec.baselines.item_knn import RECENT, item_neighbours, neighbours_scorer

    return neighbours_scorer(item_neighbours(training, num_items), RECENT)


def _markov(training: Sequences, num_items: int) -> Scorer:
    from fedrec.baselines.markov import markov_scorer, transition_shares

    return markov_scorer(transition_shares(training, num_items))


def _session_knn(training: Sequences, num_items: int) -> Scorer:
    from fedrec.baselines.session_knn import session_knn_scorer

    return session_knn_scorer(training, num_items)


def _ease(training: Sequences, num_items: int) -> Scorer:
    from fedrec.baselines.ease import ease_weights, linear_scorer

    return linear_scorer(ease_weights(training, num_items))


def _slim(training: Sequences, num_items: int) -> Scorer:
    from fedrec.baselines.item_knn import neighbours_scorer
    from fedrec.baselines.slim import slim_weights

    return neighbours_scorer(slim_weights(training, num_items))


_FITTED = {
    ITEM_KNN: _item_knn,
    RECENT_ITEM_KNN: _recent_item_knn,
    MARKOV: _markov,
    SESSION_KNN: _session_knn,
    EASE: _ease,
    SLIM: _slim,
}


@lru_cache(maxsize=1)
def _oracle(prepared: PreparedData) -> Scorer:
    from fedrec.baselines.oracle import oracle_scorer

    return oracle_scorer(prepared.dataset)
