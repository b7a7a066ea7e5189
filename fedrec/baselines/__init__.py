"""Baselines that need no gradients: popularity, item-kNN, nearest text, the oracle.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy import lazy_exports

if TYPE_CHECKING:
    from fedrec.baselines.item_knn import item_neighbours, neighbours_scorer
    from fedrec.baselines.names import BASELINES, ORACLE, SCORERS
    from fedrec.baselines.nearest_text import nearest_text_scorer
    from fedrec.baselines.oracle import oracle_ranks, oracle_scorer, oracle_scores
    from fedrec.baselines.popularity import popularity_scorer

__all__ = [
    "BASELINES",
    "ORACLE",
    "SCORERS",
    "item_neighbours",
    "nearest_text_scorer",
    "neighbours_scorer",
    "oracle_ranks",
    "oracle_scorer",
    "oracle_scores",
    "popularity_scorer",
]

_HOMES = {
    "BASELINES": "names",
    "ORACLE": "names",
    "SCORERS": "names",
    "item_neighbours": "item_knn",
    "nearest_text_scorer": "nearest_text",
    "neighbours_scorer": "item_knn",
    "oracle_ranks": "oracle",
    "oracle_scorer": "oracle",
    "oracle_scores": "oracle",
    "popularity_scorer": "popularity",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
