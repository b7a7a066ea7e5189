"""Recommend with a finished run: top-k search, explanation, items added after training.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.inference.opening import open_recommender
    from fedrec.inference.recommender import ReadyRecommender, Recommendation
    from fedrec.inference.search import ItemSearch, TopItems

__all__ = ["ItemSearch", "ReadyRecommender", "Recommendation", "TopItems", "open_recommender"]

_HOMES = {
    "ItemSearch": "fedrec.inference.search",
    "ReadyRecommender": "fedrec.inference.recommender",
    "Recommendation": "fedrec.inference.recommender",
    "TopItems": "fedrec.inference.search",
    "open_recommender": "fedrec.inference.opening",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
