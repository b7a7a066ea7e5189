"""Figures inside a page: each panel an <svg> element of its own, so that a phone stacks them.

Ids are unlike those of other figures, the shapes of letters are held once for the whole page, and
there is no style for a policy to refuse.
"""

import re
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from fedrec.report.figures.legend import swatch
from fedrec.report.figures.style import Drawing

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_GLYPH = re.compile(r"DejaVuSans")
_POINTER = re.compile(r"url\(#([^)]+)\)")
Element = ElementTree.Element


def inline(drawings: Iterable[Drawing]) -> list[dict[str, Any]]:
    """What a page shows of each figure: name, title, caption, panels, number of columns, legend.

    Args:
        drawings: All figures of one page, in its order.
    """
    seen: set[str] = set()
    return [
        {
            "name": drawing.name,
            "caption": f"{drawing.title}. {drawing.caption}",
            "columns": drawing.columns,
            "panels": _panels(drawing, seen),
            "legend": [{"mark": swatch(entry), "label": entry.label} for entry in drawing.legend],
        }
        for drawing in drawings
    ]


def _panels(drawing: Drawing, seen: set[str]) -> list[Markup]:
    """One <svg> element for each axes of a figure, all of one width.

    Args:
        drawing: The figure.
        seen: Letters that the page has; those of this figure are added.
    """
    svg, boxes = drawing.drawn
    for prefix, address in (("", _SVG), ("xlink", _XLINK)):
        ElementTree.register_namespace(prefix, address)
    root = ElementTree.fromstring(svg)
    groups = [one for one in root.iter(f"{{{_SVG}}}g") if one.get("id", "").startswith("axes_")]
    clips = [one for one in root.iter(f"{{{_SVG}}}defs") if _holds_clips(one)]
    widest = max(box[2] for box in boxes)
    texts = []
    for number, (group, (left, top, _, height)) in enumerate(zip(groups, boxes, strict=True)):
        parts = [*(clips if number == 0 else ()), group]
        for part in parts:
            _clean(part, drawing.name, seen)
        inner = "".join(ElementTree.tostring(part, encoding="unicode") for part in parts)
        inner = re.sub(r' xmlns(:\w+)?="[^"]*"', "", inner)
        texts.append(
            Markup(
                f'<svg role="img" aria-label="{drawing.title}, panel {number + 1}" '
                f'viewBox="{left:.1f} {top:.1f} {widest:.1f} {height:.1f}" '
                f'stroke-linejoin="round">{inner}</svg>'
            )
        )
    return texts


def _holds_clips(defs: Element) -> bool:
    """Whether these are the bounds of panels or hatches, which matplotlib writes at the end."""
    return any(defs.find(f"{{{_SVG}}}{what}") is not None for what in ("clipPath", "pattern"))


def _clean(part: Element, name: str, seen: set[str]) -> None:
    """Make styles attributes and ids those of the page; take out letters that it has."""
    for element in part.iter():
        for child in list(element):
            glyph = child.get("id", "")
            if _GLYPH.match(glyph):
                if glyph in seen:
                    element.remove(child)
                seen.add(glyph)
        for key, value in list(element.attrib.items()):
            if key == "style":
                del element.attrib[key]
                element.attrib.update(_declared(value, name))
            elif key == "id":
                element.set(key, _named(value, name))
            elif key.endswith("href"):
                element.set(key, "#" + _named(value[1:], name))
            else:
                element.set(key, _POINTER.sub(rf"url(#{name}-\1)", value))
        element.text = element.text.strip() if element.text else None
        element.tail = None


def _named(identifier: str, name: str) -> str:
    return identifier if _GLYPH.match(identifier) else f"{name}-{identifier}"


def _declared(style: str, name: str) -> dict[str, str]:
    pairs = [one.split(":", 1) for one in style.split(";") if ":" in one]
    return {key.strip(): _POINTER.sub(rf"url(#{name}-\1)", value.strip()) for key, value in pairs}
