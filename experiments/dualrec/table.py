"""The table of DUALRec's stages: figures of lists over users, as JSON and Markdown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.data.genre_profiles import genre_jaccard
from fedrec.evaluation.bootstrap import intervals
from fedrec.files.atomic import write_file

METRICS = ("HR@1", "HR@5", "NDCG@5", "genre Jaccard")


@dataclass(frozen=True)
class Row:
    """Figures of one kind of lists.

    Attributes:
        name: What made the lists.
        figures: Metric -> value, low, high, users; see ``fedrec.evaluation.bootstrap.intervals``.
    """

    name: str
    figures: dict[str, dict[str, float]]


def row_of(
    name: str,
    lists: NDArray[np.int64],
    truth: NDArray[np.int64],
    genres: NDArray[np.float32],
    *,
    seed: int,
) -> Row:
    """Figures of lists for the one next item.

    Args:
        name: What made the lists.
        lists: (U, K) Items, the best first; 0 fills a shorter list.
        truth: (U,) The next items.
        genres: (V + 1, G) Multi-hot genres.
        seed: Seed of the bootstrap.
    """
    hits = lists == truth[:, None]
    gains = hits / np.log2(2 + np.arange(lists.shape[1]))
    values = {
        "HR@1": hits[:, 0].astype(np.float64),
        "HR@5": hits[:, :5].any(axis=1).astype(np.float64),
        "NDCG@5": gains[:, :5].max(axis=1),
    }
    figures = intervals(values, seed, name="dualrec")
    first = genre_jaccard(np.ones((len(lists), 1)), lists[:, :1], truth, lists[:, :1] == 0, genres)[
        :, 0
    ]
    known = first[np.isfinite(first)]
    if len(known):
        figures |= intervals({"genre Jaccard": known}, seed, name="dualrec genres")
    return Row(name, figures)


def write_table(folder: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """Write table.json and table.md, each whole or not at all.

    Raises:
        ResourceError: They cannot be written.
    """
    whole = {**facts, "rows": {row.name: row.figures for row in rows}}
    write_file(folder / "table.json", (json.dumps(whole, indent=1) + "\n").encode())
    write_file(folder / "table.md", markdown(rows, facts).encode())


def markdown(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """The table, what became of the answers, and the exhibit of the published scoring."""
    lines = [
        "# DUALRec: its stages on the next item",
        "",
        f"{facts['users']:,} test users, lists of {facts['candidates']}, items of the history left "
        "out, means over users with 95 % intervals. "
        "One seed: a difference says that two lists differ, not that a method is better.",
        "",
        f"| lists | {' | '.join(METRICS)} |",
        f"|---|{'---|' * len(METRICS)}",
    ]
    for row in rows:
        cells = [_cell(row.figures.get(metric)) for metric in METRICS]
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    shares = ", ".join(f"{name} {share:.1%}" for name, share in facts["shares"].items())
    lines += [
        "",
        f"Answers of {facts['language_model'][0]} ({facts['answers']}): {shares}; "
        f"{facts['faults']} calls without an answer.",
        "",
        "## Exhibit: what the published scoring alone is worth",
        "",
        "DUALRec's code sorts each list by similarity to the prediction and to the five true "
        "films, and calls any of the five a hit. No figure below that line is an evaluation.",
        "",
        "| lists | scoring | HR@1 | HR@5 | genre Jaccard |",
        "|---|---|---|---|---|",
    ]
    for name, scorings in facts["exhibit"].items():
        for one in scorings:
            jaccard = one["genre_jaccard"]
            told = "" if jaccard is None else f"{jaccard:.3f}"
            lines.append(
                f"| {name} | {one['scoring']} | {one['HR@1']:.4f} | {one['HR@5']:.4f} | {told} |"
            )
    return "\n".join(lines) + "\n"


def _cell(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return ""
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"
