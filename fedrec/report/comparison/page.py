"""The page of a comparison: one self-contained file without any request."""

from collections.abc import Mapping, Sequence
from typing import Any

from fedrec.evaluation.protocols import describe, metric_label
from fedrec.report.ablation.columns import interval, short
from fedrec.report.comparison.cards import CARDS, STYLE, TILES
from fedrec.report.comparison.found import Found
from fedrec.report.comparison.sheets import Sheet, records
from fedrec.report.figures import style
from fedrec.report.figures.inline import inline
from fedrec.report.html import template
from fedrec.report.html.style import STYLE as SHARED
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Run
from fedrec.runs.redaction import hide_secrets_in_text

PAGE = (
    template.MACROS
    + CARDS
    + template.HEAD
    + """\
<h1>{{ name }}</h1>
<div class="muted">{{ subtitle }}</div>
"""
    + TILES
    + """\
{% if statements %}
<h2 id="found">What was found</h2>
{% for line in statements %}<p>{{ line }}</p>
{% endfor %}
{% endif %}
<h2 id="curves">Figures</h2>
<div class="plots">
{% for f in figures %}{{ drawn(f) }}
{% endfor %}
</div>
{% for s in sheets %}
<h2 id="{{ s.name }}">{{ s.title }}</h2>
{{ cards(s.headers, s.rows) }}
{{ copied(s.title, s.headers, s.rows) }}
{% endfor %}
<h2 id="notes">How to read it</h2>
<p>{{ protocol }}</p>
{% for line in notes %}<p>{{ line }}</p>
{% endfor %}
<h2 id="runs">Runs</h2>
{{ words(runs) }}
<details><summary>All tables for a paper, in LaTeX</summary>{{ command(latex) }}</details>
"""
    + template.FOOT
)


def render_page(comparison: Found, drawings: Sequence[style.Drawing], latex: str) -> str:
    """The page as HTML; everything that runs bring is escaped, secrets are removed.

    Args:
        comparison: What it shows.
        drawings: Its figures.
        latex: Its tables in LaTeX.
    """
    runs = [run for group in comparison.groups for run in group.runs.values()]
    content = {
        "name": f"Comparison of {_counted(len(comparison.groups), 'config')}",
        "subtitle": _subtitle(runs),
        "tiles": _tiles(comparison),
        "statements": comparison.statements,
        "figures": inline(drawings),
        "sheets": [_shown(sheet) for sheet in comparison.sheets],
        "protocol": _protocol(comparison),
        "notes": list(comparison.notes),
        "runs": [
            (group.label, ", ".join(run.folder.name for run in group.runs.values()))
            for group in comparison.groups
        ],
    }

    def clean(text: str) -> str:
        for run in runs:
            text = hide_secrets_in_text(text, run.config)
        return plain(text)

    # LaTeX keeps its lines: what it quotes was cleaned when it was made.
    return template.render(PAGE, content, clean, style=SHARED + STYLE, latex=latex)


def _subtitle(runs: Sequence[Run]) -> str:
    data = list(dict.fromkeys(str((run.about.get("data") or {}).get("name")) for run in runs))
    return f"{', '.join(data)}; {_counted(len(runs), 'run')}"


def _protocol(comparison: Found) -> str:
    """How held-out items were ranked, where all runs did it alike."""
    protocols = {group.protocol for group in comparison.groups}
    if len(protocols) > 1:
        return "The groups were evaluated under different protocols, which their metrics name."
    run = next(iter(comparison.groups[0].runs.values()))
    items = int((run.about.get("data") or {}).get("items") or 0)
    return describe(protocols.pop(), items)


def _tiles(comparison: Found) -> list[Mapping[str, str]]:
    """The main metric of each group."""
    rows = [row for row in records(comparison.table) if row["metric"] == comparison.main]
    return [
        {
            "name": str(row["group"]),
            "value": short(row["value"]),
            "note": f"{metric_label(comparison.main, row['protocol'])}, {interval(row)}; "
            f"{_counted(row['seeds'], 'seed')}",
        }
        for row in rows
    ]


def _shown(sheet: Sheet) -> dict[str, Any]:
    """A table of the page; an interval stands below its value instead of beside it."""
    headers = sheet.headers
    beside = [n for n, header in enumerate(headers) if header.endswith("95 %") and n]
    rows = [
        [
            {"value": cell, "interval": row[n + 1]} if n + 1 in beside else cell
            for n, cell in enumerate(row)
            if n not in beside
        ]
        for row in sheet.texts()
    ]
    kept = [header for n, header in enumerate(headers) if n not in beside]
    return {"name": sheet.name, "title": sheet.title, "headers": kept, "rows": rows}


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
