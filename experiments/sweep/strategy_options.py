"""Options of strategies in a sweep over ``strategy.name``, which go with one strategy only."""

from collections.abc import Mapping
from typing import Any

NAME, OPTIONS = "strategy.name", "strategy.options"
# What a strategy must be told: Li et al., MLSys 2020, tune mu among 0.001, 0.01, 0.1 and 1.
REQUIRED = {"fedprox": "proximal-mu = 0.01"}


def with_options(
    changes: Mapping[str, Any], fixed: Mapping[str, Any], preset: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """The changes of a cell with the options that its strategy takes, and a line about them.

    Options that the user gave are taken as they are. Those of the preset are its own strategy's.

    Args:
        changes: Dotted keys that the cell sets.
        fixed: Dotted keys that the user set for all cells.
        preset: Dotted keys of the preset.
    """
    if NAME not in changes or OPTIONS in changes or OPTIONS in fixed:
        return dict(changes), ""
    name, own = changes[NAME], preset.get(NAME, "fedavg")
    there = preset.get(OPTIONS, "")
    if name == own and (there or name not in REQUIRED):
        return dict(changes), ""
    options = REQUIRED.get(name, "")
    if options == there:
        return dict(changes), ""
    why = f"{name} needs it" if options else f"{there!r} are those of {own}"
    line = f"{OPTIONS} of {name} is {options!r}: {why}; a case or --grid {OPTIONS} sets others"
    return dict(changes) | {OPTIONS: options}, line
