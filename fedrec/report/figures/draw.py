"""Every figure of a run, drawn from its record and written as SVG and PNG.

Each drawing function returns None when its part of the run is missing, so that a run of one
round and a run of a thousand both get the figures they can have.
"""

from pathlib import Path

from fedrec.files.atomic import write_file
from fedrec.report.figures import curves, final, style
from fedrec.runs.record import Run


def draw(run: Run) -> list[style.Drawing]:
    """All figures that the run has data for, in the order of the report."""
    with style.house_style():
        drawings = [
            curves.convergence(run, "round"),
            curves.convergence(run, "megabytes"),
            curves.clients(run),
            curves.clients_over_rounds(run),
            final.slices(run),
            final.history_length(run),
            final.ranks(run),
            final.gates(run),
        ]
    return [drawing for drawing in drawings if drawing is not None]


def save(drawing: style.Drawing, folder: Path) -> tuple[Path, Path]:
    """Write ``<name>.svg`` and ``<name>.png`` and return their paths."""
    svg, png = folder / f"{drawing.name}.svg", folder / f"{drawing.name}.png"
    write_file(svg, drawing.svg)
    write_file(png, style.render(drawing.figure, "png"))
    return svg, png
