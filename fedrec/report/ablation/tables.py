"""The tables of an ablation: one for each group, on a terminal or in Markdown."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fedrec.evaluation.significance import RESAMPLES
from fedrec.report.ablation.columns import GAP, Column, columns, fitting, what_is_rare
from fedrec.report.ablation.ranks import RARE
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Record

LEVEL = 0.05  # of a difference that is marked, after Holm's correction
CAPTION = (
    "Test metrics with 95 % intervals over users. The dark bar and the dashed line are the group's "
    f"baseline; * marks a difference with p < {LEVEL} after Holm's correction."
)


def name_of(cell: Record, group: Record) -> str:
    """The name of a cell, with what it is compared with where that is not the group's baseline."""
    if not cell["against"]:
        return f"{cell['name']} (baseline)"
    is_baseline = any(
        one["name"] == cell["against"] and not one["against"] for one in group["cells"]
    )
    return str(cell["name"]) if is_baseline else f"{cell['name']} (to {cell['against']})"


def _row(cell: Record, shown: Sequence[Column]) -> list[str]:
    """The cells of a row; the first says so where no run is complete, or it is another row's."""
    if cell["same as"]:
        return [f"= {cell['same as']}", *[""] * (len(shown) - 1)]
    if not cell["seeds"]:
        return [why_none(cell), *[""] * (len(shown) - 1)]
    return [column.cell(cell) for column in shown]


def why_none(cell: Record) -> str:
    """In a word, why a cell has no complete run."""
    for word in ("cannot be", "failed"):
        if any(reason.startswith(word) for reason in cell["missing"].values()):
            return word
    return "not run"


def notes(found: Record) -> list[str]:
    """What is missing from the tables, and why: a line for each reason, each run once."""
    reasons: dict[str, list[str]] = {}
    for group in found["groups"].values():
        for cell in group["cells"]:
            for seed, why in cell["missing"].items():
                reasons.setdefault(why, []).append(f"{cell['folder']}-seed{seed}")
            for seed in cell["degraded"]:
                reasons.setdefault("degraded", []).append(f"{cell['folder']}-seed{seed}")
    return [f"{', '.join(dict.fromkeys(names))}: {why}" for why, names in reasons.items()]


def terminal(found: Record, console: Console) -> RenderableType:
    """All tables, as wide as the terminal allows; what does not fit is in ablation.md."""
    parts: list[RenderableType] = []
    for name, group in found["groups"].items():
        names = [name_of(cell, group) for cell in group["cells"]]
        shown = fitting(columns(group), console.width - max(map(len, names)) - GAP)
        table = Table(
            title=Text(f"{name}: {group['about']}", style="bold"),
            title_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column("", no_wrap=True)
        for column in shown:
            table.add_column(column.header, justify="right", no_wrap=True)
        for label, cell in zip(names, group["cells"], strict=True):
            style = None if cell["against"] else "bold"
            table.add_row(
                Text(plain(label)), *map(Text, map(plain, _row(cell, shown))), style=style
            )
        parts += [table, *(Text(f"{line}.", style="dim") for line in _about_rare(group)), ""]
    parts += [Text(plain(line), style="dim") for line in notes(found)]
    return Group(*parts)


def _about_rare(group: Record) -> list[str]:
    """What the columns of rare targets are about, where a group has them."""
    word, which = what_is_rare(group)
    if not word:
        return []
    seen = [cell["name"] for cell in group["cells"] if has_seen_rare(cell)]
    but = f"; not so in {', '.join(dict.fromkeys(seen))}, which had them all" if seen else ""
    return [f"{word}: {which}{but}"]


def has_seen_rare(cell: Record) -> bool:
    """Whether a cell is measured on targets that others hold back and that it was trained on."""
    return bool(cell.get(RARE, {}).get("users")) and not cell["held back"]


def markdown(found: Record) -> str:
    """All tables with what made them, ready for experiments/results."""
    lines = [f"# Ablation of {found['preset'] or 'the defaults'}, {found['kind']}", ""]
    if made := found["made by"]:
        data, cores = made["data"], " or ".join(map(str, made["cores"]))
        lines += [
            f"{data['name']}: {data['users']:,} users, {data['items']:,} items. {cores} cores, "
            f"torch {made['versions'].get('torch')}, code {', '.join(made['code'])}.",
            *(plain(note) for note in made["notes"]),
            "",
        ]
    lines += [
        "Test items at the best round by validation. A user counts once, with the mean of the "
        "seeds (with generated data, each seed has users of its own). Intervals: 95 % bootstrap "
        "over users. Differences are in NDCG@10, on cold and few-shot targets in HR@10, paired by "
        "user and held-out item over the seeds that both runs have; p: paired randomisation test "
        f"over users, {RESAMPLES:,} draws, two-sided; Holm: corrected over all tests of this page, "
        "each pair of runs once. A row with = is the very run of another row, and not compared "
        "again. Seconds: in rounds, on one core. MB: what a client moved while training, both "
        "ways.",
        "",
        "```bash",
        *found["commands"],
        "```",
    ]
    lines += ["", "![Bars of the tables below](ablation.png)", "", CAPTION]
    for name, group in found["groups"].items():
        shown = columns(group)
        lines += ["", f"## {name}: {group['about']}", ""]
        lines += [_line(["cell", *(" ".join(column.header.split()) for column in shown)])]
        lines += [_line(["---", *["---:"] * len(shown)])]
        for cell in group["cells"]:
            lines.append(_line([name_of(cell, group), *_row(cell, shown)]))
        for line in _about_rare(group):
            lines += ["", f"{line}."]
    if missing := notes(found):
        lines += ["", "Missing:", "", *(f"- {line}" for line in missing)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain(cell).replace("|", "\\|") for cell in cells) + " |"
