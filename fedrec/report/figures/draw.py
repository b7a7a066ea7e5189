"""Every figure of a run, drawn from its record and written as SVG, and as PNG on demand.

A further figure is a function and a row of ``FIGURES``. It returns None when its part of the run
is missing, so that a run of one round and a run of a thousand both get the figures they can have.
"""

from collections.abc import Callable
from pathlib import Path

from fedrec.files.atomic import write_file
from fedrec.report.figures import (
    clients,
    curves,
    final,
    gains,
    gates,
    heterogeneity,
    participation,
    style,
)
from fedrec.runs.record import Run

# Heading of the page that a figure stands under -> what draws it, in the order of the page.
FIGURES: tuple[tuple[str, Callable[[Run], style.Drawing | None]], ...] = (
    ("Convergence", curves.convergence_by_round),
    ("Convergence", curves.convergence_by_traffic),
    ("Clients", heterogeneity.heterogeneity),
    ("Clients", participation.participation),
    ("Clients", clients.clients),
    ("Clients", clients.clients_over_rounds),
    ("Clients", gains.gains),
    ("Users and items", final.slices),
    ("Users and items", final.history_length),
    ("Users and items", final.ranks),
    ("Gate weights", gates.gates),
)


def draw(run: Run) -> list[style.Drawing]:
    """All figures that the run has data for, in the order of the page."""
    return [drawing for _, drawings in by_heading(run) for drawing in drawings]


def by_heading(run: Run) -> list[tuple[str, list[style.Drawing]]]:
    """The figures that the run has data for, under the headings of the page."""
    drawn: dict[str, list[style.Drawing]] = {heading: [] for heading, _ in FIGURES}
    with style.house_style():
        for heading, figure in FIGURES:
            if (drawing := figure(run)) is not None:
                drawn[heading].append(drawing)
    return list(drawn.items())


def save(drawing: style.Drawing, folder: Path, *, png: bool) -> None:
    """Write ``<name>.svg``, and ``<name>.png`` on demand; else no older one is left beside it."""
    write_file(folder / f"{drawing.name}.svg", drawing.svg)
    picture = folder / f"{drawing.name}.png"
    if png:
        write_file(picture, style.render(drawing.figure, "png"))
    else:
        picture.unlink(missing_ok=True)
