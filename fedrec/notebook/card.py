"""A card of HTML: a title, a column of facts, tables below, in the colours of the notebook."""

from collections.abc import Iterable, Mapping
from html import escape

_CELL = "text-align:left;padding:1px 12px 1px 0;vertical-align:top"


def card(
    title: str, facts: Mapping[str, object], notes: Iterable[str] = (), tables: Iterable[str] = ()
) -> str:
    """The HTML that a notebook cell shows of an object; all text in it is escaped.

    Args:
        title: What it is, in a few words.
        facts: Name -> value; an empty value is left out.
        notes: Lines below the facts; an empty one is left out.
        tables: HTML that is set below as it is.
    """
    rows = "".join(
        f'<tr style="background:none"><th style="{_CELL};font-weight:normal;opacity:.7">'
        f'{escape(name)}</th><td style="{_CELL}">{escape(str(value))}</td></tr>'
        for name, value in facts.items()
        if value not in ("", None)
    )
    below = "".join(f'<div style="margin-top:4px">{escape(note)}</div>' for note in notes if note)
    return (
        f'<div style="margin:4px 0"><strong>{escape(title)}</strong>'
        f'<table style="margin:2px 0 0;border:0"><tbody>{rows}</tbody></table>'
        f"{below}{''.join(tables)}</div>"
    )


def span(low: float, middle: float, high: float) -> str:
    """The smallest, the median and the largest of something."""
    return f"{low:,.0f} to {high:,.0f}, median {middle:,.0f}"
