"""Figures over every position of unseen users, as the report shows them."""

from collections.abc import Mapping
from typing import Any

from fedrec.evaluation.further.positions import FIGURES, WAYS
from fedrec.report.tables import interval, shown


def every_position(found: Mapping[str, Any]) -> dict[str, Any]:
    """A sentence and a table of ``every_position`` of metrics.json; empty without any."""
    stages = [stage for stage in ("test", "validation") if stage in found]
    if not stages:
        return {}
    told = [
        f"{found[stage]['positions']:,} of {found[stage]['users']:,} users ({stage})"
        for stage in stages
    ]
    ways = [(way, stage) for stage in stages for way in WAYS]
    return {
        "told": "Every position of users whom no training has seen, after "
        f"{found['from']} events: {', '.join(told)}. A mean is over positions, an interval over "
        "users; items that a user has had are kept among the candidates, or left out.",
        "headers": ["metric", *(f"{stage}, {way}" for way, stage in ways)],
        "rows": [
            [name, *(_cell(found[stage].get(way, {}).get(name)) for way, stage in ways)]
            for name in FIGURES
        ],
    }


def _cell(metric: Any) -> dict[str, str]:
    return {"value": shown(metric), "interval": interval(metric)}
