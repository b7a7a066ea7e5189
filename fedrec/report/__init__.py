"""The report of a run or an ablation: figures, tables and one self-contained page.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

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

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
