"""Baseline scorers that are no federated models."""

from functools import lru_cache

import numpy as np

from clients.local_data import LocalData
from fedrec.baselines.names import (
    EASE,
    ITEM_KNN,
    LIGHTGCN,
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
from fedrec.data.evaluated import evaluated_users
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.evaluation.leave_one_out import Scorer, leave_one_out_ranks
from fedrec.evaluation.metrics import SELECTING_CUTOFF, ndcg
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
    if name == LIGHTGCN:
        return _lightgcn(data)
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


@lru_cache(maxsize=1)
def _lightgcn(data: LocalData) -> Scorer:
    """Trained until validation stops to rise; by the training parts alone at either stage."""
    from fedrec.baselines.lightgcn import lightgcn_scorer

    settings, dataset = data.prepared.settings, data.dataset
    validated = evaluated_users(
        dataset.sequences.num_users,
        "validation",
        seed=settings.seed,
        validation=settings.validation_users,
    )

    def validate(scorer: Scorer) -> float:
        found = leave_one_out_ranks(
            scorer,
            dataset.sequences,
            data.users[validated[data.users]],
            stage="validation",
            protocols=("full",),
            num_items=dataset.catalog.num_items,
            counts=None,
            seed=settings.seed,
            domains=dataset.domains,
        )
        return float(ndcg(found.ranks["full"], SELECTING_CUTOFF).mean())

    return lightgcn_scorer(
        data.training.subset(data.users),
        dataset.catalog.num_items,
        data.users,
        seed=settings.seed,
        validate=validate,
    )
