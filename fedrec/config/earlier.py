"""Configs of earlier versions: what keys that they lack stood for."""

from collections.abc import Mapping
from typing import Any


def meant_before(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keys whose defaults are not what an earlier version did, with what it did.

    Before 0.3, the softmax compared a target with the user's own history too, the sampled losses
    did not; clients told counts per item however few users they
    held, and torch computed everything.

    Args:
        values: Dotted keys of a config.
    """
    keeps = values.get("loss.name") == "softmax"
    return {
        "loss.own-history": "keep" if keeps else "leave-out",
        "federation.share-counts-min-users": 1,
        "local.kernel": "torch",
    }


def completed(values: dict[str, Any]) -> dict[str, Any]:
    """The whole config that a run left, as its own version understood it.

    Args:
        values: Dotted keys, all that its version had.
    """
    return meant_before(values) | values
