"""A new item by its title and description: who would get it, and what it is near to."""

from typing import Any

import numpy as np

from experiments.recommend.answer import NEAREST, listed
from experiments.recommend.opened import Opened

USERS = 300  # users who are asked for, at most
SHOWN = 10  # of those with the best ranks
DEPTH = 100  # places that are looked at


def who_gets(
    opened: Opened, item: dict[str, Any], history: list[str] | str | None, k: int
) -> dict[str, Any]:
    """Place an item that training has not seen.

    Args:
        opened: The run, or an exported model.
        item: Columns of ``ReadyRecommender.with_items``, one entry each.
        history: Ids of items or a user, for whom the item's rank is told.
        k: Length of a list.

    Returns:
        "nearest" items; "rank" and "of" for the history; how many "get_it" in their top k of those
        "asked" and of "all"; "users" with the best ranks among the first ``DEPTH``.

    Raises:
        FedrecError: The model cannot embed a new item, or nothing is said of it.
    """
    ready = opened.shared.with_items(**item)
    new = ready.catalog.item_ids[-1]
    answer: dict[str, Any] = {"nearest": listed(ready, ready.nearest(new, NEAREST))}
    if history:
        seen = set(ready.numbers(history).tolist())
        answer |= {"rank": ready.rank_of(new, history), "of": ready.catalog.num_items - len(seen)}
    everybody = ready.dataset.user_ids
    places = np.unique(np.linspace(0, len(everybody) - 1, min(USERS, len(everybody))).astype(int))
    asked = [everybody[place] for place in places]
    found = []
    if asked:
        lists = ready.recommend_many(asked, max(k, DEPTH))
        for user, best in zip(asked, lists, strict=True):
            ranks = [rank for rank, one in enumerate(best, start=1) if one.item == new]
            found += [{"user": user, "rank": rank} for rank in ranks]
    found.sort(key=lambda one: one["rank"])
    get_it = sum(one["rank"] <= k for one in found)
    counts = {"get_it": get_it, "asked": len(asked), "all": len(everybody)}
    return answer | {"users": found[:SHOWN], **counts}
