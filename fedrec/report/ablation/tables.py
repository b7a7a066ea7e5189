"""The tables of an ablation: one for each group, on a terminal or in Markdown."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fedrec.evaluation.significance import RESAMPLES
from fedrec.report.ablation.columns import GAP, Column, about_users, columns, fitting, what_is_rare
from fedrec.report.ranks import RARE
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Record

LEVEL = 0.05  # of a difference that is marked, after Holm's correction
CAPTION = (
    "Test metrics with 95 % intervals over users. The dark bar and the dashed line are the group's "
    f"baseline; * marks a difference with p < {LEVEL} after Holm's correction."
)


OF_WEIGHTS = (
    "Such a p is about the weights of these seeds, not about the methods: from three seeds on, "
    "fedrec compare takes the seed as a random effect."
)


def name_of(task: Record, group: Record) -> str:
    """The name of a task, with what it is compared with where that is not the group's baseline."""
    if not task["against"]:
        return f"{task['name']} (baseline)"
    is_baseline = any(
        one["name"] == task["against"] and not one["against"] for one in group["tasks"]
    )
    return str(task["name"]) if is_baseline else f"{task['name']} (to {task['against']})"


def _row(task: Record, shown: Sequence[Column]) -> list[str]:
    """The texts of a row; the first says so where no run is complete, or it is another row's."""
    if task["same as"]:
        return [f"= {task['same as']}", *[""] * (len(shown) - 1)]
    if not task["seeds"]:
        return [why_none(task), *[""] * (len(shown) - 1)]
    return [column.text(task) for column in shown]


def why_none(task: Record) -> str:
    """In a word, why a task has no complete run."""
    for word in ("skipped", "failed"):
        if any(reason.startswith(word) for reason in task["missing"].values()):
            return word
    return "not run"


def notes(found: Record) -> list[str]:
    """What is missing from the tables, and why: a line for each reason, each run once."""
    reasons: dict[str, list[str]] = {}
    for group in found["groups"].values():
        for task in group["tasks"]:
            for seed, why in task["missing"].items():
                reasons.setdefault(why, []).append(f"{task['folder']}-seed{seed}")
            for seed in task["degraded"]:
                reasons.setdefault("degraded", []).append(f"{task['folder']}-seed{seed}")
    return [f"{', '.join(dict.fromkeys(names))}: {why}" for why, names in reasons.items()]


def terminal(found: Record, console: Console) -> RenderableType:
    """All tables, as wide as the terminal allows; what does not fit is in ablation.md."""
    parts: list[RenderableType] = []
    for name, group in found["groups"].items():
        names = [name_of(task, group) for task in group["tasks"]]
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
        for label, task in zip(names, group["tasks"], strict=True):
            style = None if task["against"] else "bold"
            table.add_row(
                Text(plain(label)), *map(Text, map(plain, _row(task, shown))), style=style
            )
        parts += [table, *(Text(f"{line}.", style="dim") for line in _about(group)), ""]
    parts += [Text(plain(line), style="dim") for line in notes(found)]
    return Group(*parts)


def _about(group: Record) -> list[str]:
    """What stands below a table: its number of users, and what the columns of rare targets are."""
    users = about_users(group)
    tested = any(task.get("difference") for task in group["tasks"])
    about_p = [f"p: over users. {OF_WEIGHTS}".rstrip(".")] if tested else []
    return [*([users] if users else []), *_about_rare(group), *about_p]


def _about_rare(group: Record) -> list[str]:
    """What the columns of rare targets are about, where a group has them."""
    word, which = what_is_rare(group)
    if not word:
        return []
    seen = [task["name"] for task in group["tasks"] if has_seen_rare(task)]
    but = f"; not so in {', '.join(dict.fromkeys(seen))}, which had them all" if seen else ""
    return [f"{word}: {which}{but}"]


def has_seen_rare(task: Record) -> bool:
    """Whether a task is measured on targets that others hold back and that it was trained on."""
    return bool(task.get(RARE, {}).get("users")) and not task["held back"]


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
        f"over users, {RESAMPLES:,} draws, two-sided. {OF_WEIGHTS} Holm: corrected over all tests "
        "of this page, each pair of runs once. A row with = is the very run of another row, and "
        "not compared again. Seconds: in rounds, on one core. MB: what a client moved while "
        "training, both ways.",
        "",
        "```bash",
        *found["commands"],
        "```",
    ]
    lines += ["", "![Bars of the tables below](ablation.png)", "", CAPTION]
    for name, group in found["groups"].items():
        shown = columns(group)
        lines += ["", f"## {name}: {group['about']}", ""]
        lines += [_line(["task", *(" ".join(column.header.split()) for column in shown)])]
        lines += [_line(["---", *["---:"] * len(shown)])]
        for task in group["tasks"]:
            lines.append(_line([name_of(task, group), *_row(task, shown)]))
        for line in _about(group):
            lines += ["", f"{line}."]
    if missing := notes(found):
        lines += ["", "Missing:", "", *(f"- {line}" for line in missing)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain(cell).replace("|", "\\|") for cell in cells) + " |"
