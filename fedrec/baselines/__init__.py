"""Baselines that are not federated: counts, neighbours, linear weights, LightGCN, nearest text.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.baselines.ease import ease_weights, linear_scorer
    from fedrec.baselines.item_knn import item_neighbours, neighbours_scorer
    from fedrec.baselines.lightgcn import LightGCNOptions, lightgcn_scorer
    from fedrec.baselines.markov import markov_scorer, transition_shares
    from fedrec.baselines.names import BASELINES, ORACLE, SCORERS
    from fedrec.baselines.nearest_text import nearest_text_scorer
    from fedrec.baselines.oracle import oracle_ranks, oracle_scorer, oracle_scores
    from fedrec.baselines.popularity import popularity_scorer
    from fedrec.baselines.session_knn import session_knn_scorer
    from fedrec.baselines.slim import slim_weights

__all__ = [
    "BASELINES",
    "ORACLE",
    "SCORERS",
    "LightGCNOptions",
    "ease_weights",
    "item_neighbours",
    "lightgcn_scorer",
    "linear_scorer",
    "markov_scorer",
    "nearest_text_scorer",
    "neighbours_scorer",
    "oracle_ranks",
    "oracle_scorer",
    "oracle_scores",
    "popularity_scorer",
    "session_knn_scorer",
    "slim_weights",
    "transition_shares",
]

_HOMES = {
    "BASELINES": "fedrec.baselines.names",
    "LightGCNOptions": "fedrec.baselines.lightgcn",
    "ORACLE": "fedrec.baselines.names",
    "SCORERS": "fedrec.baselines.names",
    "ease_weights": "fedrec.baselines.ease",
    "item_neighbours": "fedrec.baselines.item_knn",
    "lightgcn_scorer": "fedrec.baselines.lightgcn",
    "linear_scorer": "fedrec.baselines.ease",
    "markov_scorer": "fedrec.baselines.markov",
    "nearest_text_scorer": "fedrec.baselines.nearest_text",
    "neighbours_scorer": "fedrec.baselines.item_knn",
    "oracle_ranks": "fedrec.baselines.oracle",
    "oracle_scorer": "fedrec.baselines.oracle",
    "oracle_scores": "fedrec.baselines.oracle",
    "popularity_scorer": "fedrec.baselines.popularity",
    "session_knn_scorer": "fedrec.baselines.session_knn",
    "slim_weights": "fedrec.baselines.slim",
    "transition_shares": "fedrec.baselines.markov",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
