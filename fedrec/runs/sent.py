"""What of their histories the clients of a run have sent, in words.

``run.json`` holds the facts as ``sent``; a run of before has none.
"""

from collections.abc import Mapping
from typing import Any


def withheld(sent: Mapping[str, Any]) -> str:
    """One line for a run whose clients hold too few users to tell counts; "" for any other.

    Args:
        sent: Facts of ``run.json`` about what was sent.
    """
    silent = sent.get("clients", 0) - sent.get("item_counts", 0)
    if not silent or not sent["share_counts"]:
        return ""
    key = f"federation.share-counts-min-users = {sent['min_users']}"
    if not sent["item_counts"]:
        return (
            f"no client sent counts per item ({key}): no popularity baseline, no slices by "
            "popularity, no original ids of users"
        )
    known = 100 * sent["users_counted"] / sent["users"]
    return (
        f"counts of {silent} of {sent['clients']} clients, who hold fewer than "
        f"{sent['min_users']} users, were not sent ({key}): popularity and its slices know "
        f"{known:.3g} % of the users"
    )


def told(sent: Mapping[str, Any]) -> str:
    """What came from how many clients, in a sentence for the report; "" of a run of before."""
    if not sent:
        return ""
    return (
        f"Training counts per item came from {sent['item_counts']:,} of {sent['clients']:,} "
        f"clients, the names of held-out items from {sent['held_out_items']:,}, original ids of "
        f"users from {sent['user_ids']:,}."
    )
