"""Comparisons of an ablation: two tasks have one, with one p-value, whichever stands in front.

In NDCG@10; on rare targets in HR@10, which can be read beside chance.
"""

from collections.abc import Mapping, Sequence

from fedrec.evaluation.bootstrap import intervals
from fedrec.evaluation.significance import holm, sign_flip_p
from fedrec.report.ranks import ALL, MAIN, OTHERS, RARE, TestRanks, paired
from fedrec.runs.record import Record

OF_PARTS = {ALL: MAIN, RARE: "HR@10", OTHERS: MAIN}
TESTED = (ALL, RARE)

Pair = tuple[str, str]  # folders of two runs, sorted


def pair_of(one: str, other: str) -> Pair:
    """The folders of two runs as what names their comparison."""
    return min(one, other), max(one, other)


def comparison(pair: Pair, one: Mapping[int, TestRanks], other: Mapping[int, TestRanks]) -> Record:
    """By how much one task is above another, over the seeds that both have.

    Args:
        pair: Their folders, as of ``pair_of``.
        one: The runs of the first folder, by seed.
        other: Those of the second.
    """
    name = " - ".join(pair)
    seeds = sorted({*one} & {*other})
    record: Record = {"of": list(pair), "seeds": seeds}
    for part, metric in OF_PARTS.items():
        values = paired(one, other, seeds, part, metric)
        if not len(values):
            continue
        record[part] = {"metric": metric, "users": len(values)}
        record[part] |= intervals({metric: values}, 0, name=name)[metric]
        if part in TESTED:
            record[part]["p"] = sign_flip_p(values, 0, name=name)
    return record


def correct(comparisons: Sequence[Record]) -> None:
    """Add Holm's p-value over all tests of the page."""
    tests = [one[part] for one in comparisons for part in TESTED if part in one]
    for test, corrected in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p (Holm)"] = corrected


def seen_from(folder: str, comparison: Record) -> Record:
    """A comparison as what its one side, or its other, is above the rest."""
    seen: Record = {"seeds": comparison["seeds"]}
    for part in OF_PARTS:
        if part not in comparison:
            continue
        found = comparison[part]
        if comparison["of"][0] != folder:
            turned = {  # not -value: that of 0 is shown as -.0000
                "value": 0 - found["value"],
                "low": 0 - found["high"],
                "high": 0 - found["low"],
            }
            found = found | turned
        seen[part] = found
    return seen
