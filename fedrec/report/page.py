"""One self-contained page about a run, made from its folder alone."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from fedrec.errors import ResourceError
from fedrec.files.atomic import write_file
from fedrec.report import sections, template
from fedrec.report.excluded import (
    HEADERS,
    client_figures,
    client_sampling,
    excluded_replies,
)
from fedrec.report.figures import draw, style
from fedrec.report.figures.inline import inline_svg
from fedrec.report.references import with_references
from fedrec.report.words import flat
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Run, read_run
from fedrec.runs.redaction import hide_secrets_in_text


def write_report(run_dir: Path, references: Sequence[Path] = ()) -> Path:
    """Write ``figures/*.{svg,png}`` and ``report.html`` into a run folder.

    Args:
        run_dir: The folder of a run, finished or not.
        references: Folders of other runs on the same data, shown beside it; nothing else is read.

    Returns:
        The path of report.html.

    Raises:
        ConfigError: A reference run that cannot be compared with the run.
        DataError: No run folder, or a damaged file in it.
        ResourceError: The folder cannot be written.
    """
    run = with_references(read_run(run_dir), references)
    figures = draw.by_heading(run)
    folder, page = run_dir / "figures", run_dir / "report.html"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{folder} cannot be made: {error.strerror}") from None
    for _, drawings in figures:
        for drawing in drawings:
            draw.save(drawing, folder)
    write_file(page, render_page(run, figures).encode())
    return page


def render_page(run: Run, figures: Iterable[tuple[str, Sequence[style.Drawing]]]) -> str:
    """The page as HTML; everything that a run brings is escaped, secrets are removed.

    Args:
        run: Record of the run.
        figures: Headings with their figures, in the order of the page.
    """
    content = {
        **sections.head(run),
        "results": sections.results(run),
        "figures": {
            heading: [
                {"name": d.name, "svg": inline_svg(d), "caption": f"{d.title}. {d.caption}"}
                for d in drawings
            ]
            for heading, drawings in figures
        },
        "sampling": client_sampling(run),
        "client_figures": client_figures(run),
        "excluded": excluded_replies(run),
        "excluded_headers": HEADERS,
        "traceback": str(run.about.get("client_traceback") or "").splitlines(),
        **sections.cost(run),
        **sections.inputs(run),
        "machine": sections.machine(run),
        "config": sections.config(run),
        "versions": sorted(flat(run.about.get("versions") or {})),
    }
    return template.render(
        template.PAGE, content, lambda text: plain(hide_secrets_in_text(text, run.config))
    )
