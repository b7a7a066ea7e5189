"""Legends: under the figure in its file, and as text beside small marks on a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fedrec.report.figures.axes import short

_LONGEST = 40  # letters of a name in the file of a figure


@dataclass(frozen=True)
class Entry:
    """What one colour stands for.

    Attributes:
        label: Words.
        colour: Colour that the shapes are drawn in.
        mark: "line", "bar" or "dot".
        dash: Lengths of dashes and gaps of a line, in points; none for a whole line.
        hatch: Hatch of a bar.
    """

    label: str
    colour: str
    mark: str = "line"
    dash: tuple[float, ...] = ()
    hatch: str = ""


def add_legend(figure: Figure, entries: Sequence[Entry]) -> None:
    """Put a legend under all panels of a figure, in as many columns as fit."""
    labels = [short(entry.label, _LONGEST) for entry in entries]
    letters = max(map(len, labels), default=1) + 7  # those of a mark and of a gap
    columns = max(1, min(len(entries), int(figure.get_figwidth() * 15.5 / letters)))
    figure.legend(list(map(_artist, entries)), labels, loc="outside lower center", ncols=columns)


def _artist(entry: Entry) -> Artist:
    if entry.mark == "bar":
        return Patch(facecolor=entry.colour, edgecolor="white", hatch=entry.hatch)
    if entry.mark == "dot":
        return Line2D([], [], color=entry.colour, marker="o", linestyle="none")
    return Line2D([], [], color=entry.colour, linestyle=(0, entry.dash) if entry.dash else "-")


def swatch(entry: Entry) -> Markup:
    """The mark of an entry as a small <svg> element."""
    colour = entry.colour.lower()
    shape = {
        "bar": '<rect x="3" y="1" width="18" height="10" rx="1" fill="{}"/>',
        "dot": '<circle cx="12" cy="6" r="4" fill="{}"/>',
        "line": '<path d="M1 6H23" fill="none" stroke-width="2.4" stroke="{}"{}/>',
    }[entry.mark]
    dashes = " ".join(f"{1.6 * length:g}" for length in entry.dash)
    drawn = shape.format(colour, f' stroke-dasharray="{dashes}"' if dashes else "")
    return Markup(f'<svg viewBox="0 0 24 12" aria-hidden="true">{drawn}</svg>')
