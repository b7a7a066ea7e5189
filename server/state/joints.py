"""Joints of an extended run: rounds after which it is not quite as an unextended one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EXTENDED = "extended"  # of run.json: one record for each extension


@dataclass(frozen=True, kw_only=True)
class Joints:
    """Rounds after which a run was extended, where something differs from an unextended run.

    Attributes:
        fresh: Rounds after which the clients begin without the state that they had.
        evaluated: Rounds that were evaluated because they were the last.
    """

    fresh: frozenset[int] = frozenset()
    evaluated: frozenset[int] = frozenset()


NO_JOINTS = Joints()


def joints_of(about: Mapping[str, Any]) -> Joints:
    """Joints of a run, from its run.json."""
    records = about.get(EXTENDED) or []
    return Joints(
        fresh=frozenset(one["after"] for one in records if one["fresh_optimizers"]),
        evaluated=frozenset(one["after"] for one in records if one["evaluated_as_last"]),
    )
