"""The report of a run or an ablation: figures, tables and one self-contained page.

Names are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedrec.report.ablation.summary import write_ablation
    from fedrec.report.figures.draw import draw
    from fedrec.report.live import LiveRounds
    from fedrec.report.page import render_page, write_report
    from fedrec.report.references import gap_closed, with_references
    from fedrec.report.tables import final_table, round_headers, round_row

__all__ = [
    "LiveRounds",
    "draw",
    "final_table",
    "gap_closed",
    "render_page",
    "round_headers",
    "round_row",
    "with_references",
    "write_ablation",
    "write_report",
]

_HOMES = {
    "LiveRounds": "fedrec.report.live",
    "draw": "fedrec.report.figures.draw",
    "final_table": "fedrec.report.tables",
    "gap_closed": "fedrec.report.references",
    "render_page": "fedrec.report.page",
    "round_headers": "fedrec.report.tables",
    "round_row": "fedrec.report.tables",
    "with_references": "fedrec.report.references",
    "write_ablation": "fedrec.report.ablation.summary",
    "write_report": "fedrec.report.page",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fedrec.report' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
