"""Recommendations as a DataFrame."""

from collections.abc import Sequence

import pandas as pd

from fedrec.inference.recommender import ReadyRecommender


def recommendations(
    recommender: ReadyRecommender, users: Sequence[object], k: int, *, exclude_seen: bool
) -> pd.DataFrame:
    """The k best next items of each user, one row per user and item, the best first.

    Args:
        recommender: A model with its catalogue.
        users: Original ids; what is not text is looked up as its text, and returned as given.
        k: Items for each user.
        exclude_seen: Leave out what a user has had.

    Raises:
        DataError: An unknown user.
    """
    lists = recommender.recommend_many([str(user) for user in users], k, exclude=exclude_seen)
    lengths = [len(each) for each in lists]
    rows = [row for each in lists for row in each]
    columns = {
        "user": [user for user, n in zip(users, lengths, strict=True) for _ in range(n)],
        "item": [row.item for row in rows],
        "title": [row.title for row in rows],
        "score": [row.score for row in rows],
        "rank": [rank for n in lengths for rank in range(1, n + 1)],
    }
    if not any(recommender.catalog.titles):
        del columns["title"]
    return pd.DataFrame(columns)
