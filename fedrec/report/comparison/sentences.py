"""What a comparison says in words: its result in a line for each pair, and how to read it."""

from collections.abc import Sequence

from fedrec.evaluation.further.seeds import FEWEST_SEEDS
from fedrec.evaluation.significance import RESAMPLES
from fedrec.report.ablation.columns import p_value, short
from fedrec.report.comparison.groups import Group
from fedrec.report.comparison.measured import LEVEL
from fedrec.runs.record import Record


def statements(rows: Sequence[Record], metric: str) -> list[str]:
    """One sentence for each pair on one metric."""
    return [_statement(row) for row in rows if row["metric"] == metric]


def _statement(row: Record) -> str:
    difference = short(row["difference"], signed=True)
    bounds = " to ".join(short(row[name], signed=True) for name in ("low", "high"))
    found = f"{row['metric']} {difference} ({bounds}), Holm p {_p(row['p_holm'])}"
    group, against, verdict = row["group"], row["against"], row["verdict"]
    smallest = short(row["smallest_found"])
    if verdict in ("better", "worse"):
        return f"{group} is {verdict} than {against}: {found}."
    if verdict == "weights differ":
        return f"The weights of {group} and of {against} differ: {found}."
    return (
        f"No difference found between {group} and {against}: {found}; one of {smallest} would "
        "have been found in 80 % of such comparisons."
    )


def _p(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"


def notes(
    groups: Sequence[Group], rows: Sequence[Record], metrics: Sequence[str], *, unpaired: bool
) -> list[str]:
    """How the tables are to be read, and what they do not show."""
    told = []
    fewest = min(len(group.runs) for group in groups)
    most = max(len(group.runs) for group in groups)
    if most < FEWEST_SEEDS:
        told.append("Intervals are 95 % bootstrap intervals over users.")
    else:
        few = "; of fewer seeds, over users alone" if fewest < FEWEST_SEEDS else ""
        told.append(
            f"Intervals are 95 % intervals over users and seeds, the seed a random effect{few}."
        )
    if rows:
        told += _about_tests(rows)
    elif unpaired:
        told.append("The groups are not paired: their users or held-out items may differ.")
    elif len(groups) == 1:
        told.append("All runs have one config, so there is nothing to compare it with.")
    told += _left_out(groups, rows)
    told += [
        f"{run.folder.name} is degraded: {run.about.get('reason') or 'replies were excluded'}."
        for group in groups
        for run in group.runs.values()
        if run.status == "degraded"
    ]
    return told


def _about_tests(rows: Sequence[Record]) -> list[str]:
    family = "the one comparison" if len(rows) == 1 else f"all {len(rows)} comparisons"
    told = [
        f"p users: paired permutation test over users, {RESAMPLES:,} random signs. Holm: corrected "
        f"over {family} here; a result is named at p < {LEVEL}.",
        "Smallest found: the difference that would be found at p < 0.05, before Holm's correction, "
        "in 80 % of such comparisons.",
    ]
    if len({row["metric"] for row in rows}) > 1:
        told.append(
            "Fewer tests are corrected less: if a metric was chosen beforehand, name it by "
            "--metric (in Python metrics=)."
        )
    counts = sorted({row["seeds"] for row in rows})
    if counts[-1] >= FEWEST_SEEDS:
        told.append(
            "p users and seeds: t test with the error over both, which is what Holm's correction "
            "takes; p users is about these seeds alone."
        )
    if counts[0] < FEWEST_SEEDS:
        seeds = "one seed" if counts[0] == 1 else f"{counts[0]} seeds"
        told.append(
            f"A p over the users of {seeds} says that two sets of weights differ, not that one "
            f"method beats the other: for that, run {FEWEST_SEEDS} seeds or more of each."
        )
    return told


def _left_out(groups: Sequence[Group], rows: Sequence[Record]) -> list[str]:
    """Seeds of a pair that only one of the two has."""
    seeds = {group.label: set(group.runs) for group in groups}
    told = []
    for one, other in dict.fromkeys((row["group"], row["against"]) for row in rows):
        if alone := sorted(seeds[one] ^ seeds[other]):
            listed = ", ".join(map(str, alone))
            told.append(
                f"The difference of {one} to {other} is over the seeds of both, without {listed}."
            )
    return told
