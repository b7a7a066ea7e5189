"""One self-contained page about a run, made from its folder alone."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from fedrec.errors import ResourceError
from fedrec.files.atomic import write_file
from fedrec.report import sections
from fedrec.report.examples import Example
from fedrec.report.excluded import (
    HEADERS,
    client_figures,
    client_sampling,
    excluded_replies,
)
from fedrec.report.figures import draw, style
from fedrec.report.head import head
from fedrec.report.html import template
from fedrec.report.html.inline import inline
from fedrec.report.html.run_page import PAGE
from fedrec.report.references import with_references
from fedrec.report.repeat import citation, repeat_command, repeat_notes
from fedrec.report.words import flat
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Run, read_run
from fedrec.runs.redaction import hide_secrets_in_text


def write_report(
    run_dir: Path,
    references: Sequence[Path] = (),
    people: Sequence[Example] = (),
    *,
    png: bool = False,
) -> Path:
    """Write ``figures/*.svg`` and ``report.html`` into a run folder.

    Args:
        run_dir: The folder of a run, finished or not.
        references: Folders of other runs on the same data, shown beside it; nothing else is read.
        people: Users whose histories are shown.
        png: Whether each figure is written as PNG, too. Without it, its PNG of an earlier report,
            which may show an earlier state of the run, is removed.

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
            draw.save(drawing, folder, png=png)
    write_file(page, render_page(run, figures, people).encode())
    return page


def render_page(
    run: Run,
    figures: Iterable[tuple[str, Sequence[style.Drawing]]],
    people: Sequence[Example] = (),
) -> str:
    """The page as HTML; everything that a run brings is escaped, secrets are removed.

    Args:
        run: Record of the run.
        figures: Headings with their figures, in the order of the page.
        people: Users whose histories are shown.
    """
    headed, excluded = list(figures), excluded_replies(run)
    drawn = iter(inline(drawing for _, drawings in headed for drawing in drawings))
    content = {
        **head(run),
        "results": sections.results(run),
        "people": [asdict(one) for one in people],
        "figures": {heading: [next(drawn) for _ in drawings] for heading, drawings in headed},
        "sampling": client_sampling(run),
        "client_figures": client_figures(run),
        "excluded": excluded[: sections.MOST_ROWS],
        "excluded_told": f"Excluded replies: {len(excluded):,}"
        + (f"; the first {sections.MOST_ROWS}" if len(excluded) > sections.MOST_ROWS else ""),
        "excluded_headers": HEADERS,
        "traceback": str(run.about.get("client_traceback") or "").splitlines(),
        **sections.cost(run),
        **sections.inputs(run),
        "repeat": repeat_command(run),
        "repeat_notes": repeat_notes(run),
        "citation": citation(run).splitlines(),
        "machine": sections.machine(run),
        "config": sections.config(run),
        "versions": sorted(flat(run.about.get("versions") or {})),
    }
    return template.render(PAGE, content, lambda text: _cleaned(text, run))


def _cleaned(text: str, run: Run) -> str:
    """Text without secrets or control characters; blanks before a line of an entry stay."""
    shown = plain(hide_secrets_in_text(text, run.config))
    return text[: len(text) - len(text.lstrip(" "))] + shown
