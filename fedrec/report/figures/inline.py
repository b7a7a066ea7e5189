"""A figure inside a page: an <svg> element with ids of its own that the page's policy takes."""

import re

from markupsafe import Markup

from fedrec.report.figures.style import Drawing


def inline_svg(drawing: Drawing) -> Markup:
    """The figure as an <svg> element with ids of its own and no style for a policy to refuse."""
    text = drawing.svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r' style="([^"]*)"', lambda match: _attributes(match[1]), text)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{drawing.name}-", text)
    # What matplotlib's own style element says, which would reach the whole page.
    root = f'<svg role="img" aria-label="{drawing.title}" stroke-linejoin="round"'
    return Markup(text.replace("<svg", root, 1))


def _attributes(declarations: str) -> str:
    pairs = [d.split(":", 1) for d in declarations.split(";") if ":" in d]
    return "".join(f' {name.strip()}="{value.strip()}"' for name, value in pairs)
