"""Recommend with a finished run: top-k search, explanation, items added after training.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy import lazy_exports

if TYPE_CHECKING:
    from fedrec.inference.opening import open_recommender
    from fedrec.inference.recommender import ReadyRecommender, Recommendation
    from fedrec.inference.search import ItemSearch, TopItems

__all__ = ["ItemSearch", "ReadyRecommender", "Recommendation", "TopItems", "open_recommender"]

_HOMES = {
    "ItemSearch": "search",
    "ReadyRecommender": "recommender",
    "Recommendation": "recommender",
    "TopItems": "search",
    "open_recommender": "opening",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
