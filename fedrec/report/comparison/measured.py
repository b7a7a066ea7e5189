"""Figures of each group, and of each pair of groups: means, differences, p-values, fairness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedrec.errors import ConfigError
from fedrec.evaluation.further.seeds import FEWEST_SEEDS, estimates
from fedrec.evaluation.metrics import METRICS_OF_CANDIDATES, Floats
from fedrec.evaluation.significance import holm, sign_flip_p
from fedrec.evaluation.spread import gini, partition_means, spread
from fedrec.report.comparison.groups import Group
from fedrec.report.comparison.pairing import (
    Evaluated,
    check_group,
    check_pair,
    common_seeds,
    cutoffs,
    evaluated,
    share_users,
)
from fedrec.report.ranks import MAIN, METRICS
from fedrec.runs.record import Record

LEVEL = 0.05  # of a p-value after Holm's correction
FIRST = tuple(METRICS)  # of all metrics, those that are shown first
ON_REQUEST = tuple(METRICS_OF_CANDIDATES)
FAIRNESS = (MAIN, "MRR")  # NDCG@10 of the worst tenth of users is often 0


@dataclass(frozen=True, eq=False)
class Measured:
    """The tests of a group.

    Attributes:
        group: Its runs.
        tests: Seed -> what that run evaluated.
    """

    group: Group
    tests: Mapping[int, Evaluated] = field(repr=False)

    def values(self, metric: str, seeds: Sequence[int]) -> list[Floats]:
        """The values (U,) of a metric, for each of some seeds."""
        return [self.tests[seed].metrics[metric] for seed in seeds]

    def same_users(self, seeds: Sequence[int]) -> bool:
        """Whether some seeds evaluated the same users."""
        return share_users(
            [self.group.runs[seed] for seed in seeds], [self.tests[seed] for seed in seeds]
        )


def measure(groups: Sequence[Group], metrics: Sequence[str]) -> tuple[list[Measured], list[str]]:
    """Read what all runs evaluated, and which metrics are compared.

    Args:
        groups: All groups.
        metrics: Names of metrics; if empty, all that all runs have but AUC, which is nearly 1 for
            whoever ranks a little.

    Raises:
        ConfigError: Seeds of one config on other data, or a metric that runs do not have.
        DataError: A damaged table.
    """
    at = cutoffs(groups)
    found = []
    for group in groups:
        check_group(group)
        found.append(Measured(group, {s: evaluated(run, at) for s, run in group.runs.items()}))
    tests = [test.metrics for one in found for test in one.tests.values()]
    every = [name for name in tests[0] if all(name in metrics_of for metrics_of in tests)]
    there = [*(name for name in FIRST if name in every), *(n for n in every if n not in FIRST)]
    for name in metrics:
        if name not in there:
            raise ConfigError(
                f"--metric {name} is none that all these runs have: {', '.join(there)}"
            )
    return found, list(dict.fromkeys(metrics)) or [n for n in there if n not in ON_REQUEST]


def group_figures(measured: Measured, metrics: Sequence[str]) -> list[Record]:
    """Mean over the seeds of each metric, with its 95 % interval and its spread over seeds."""
    group, seeds = measured.group, list(measured.tests)
    values = {metric: measured.values(metric, seeds) for metric in metrics}
    found = estimates(values, 0, name=group.label, same_users=measured.same_users(seeds))
    counts = {len(test.users) for test in measured.tests.values()}
    rows = []
    for metric, one in found.items():
        means = [float(each.mean()) for each in values[metric]]
        rows.append(
            {
                "group": group.label,
                "metric": metric,
                "protocol": group.protocol,
                "seeds": len(seeds),
                "users": max(counts),
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "sd_seeds": float(np.std(means, ddof=1)) if len(means) > 1 else None,
                "interval_over": over(len(seeds)),
            }
        )
    return rows


def over(seeds: int) -> str:
    """What an interval of so many seeds is over."""
    return "users and seeds" if seeds >= FEWEST_SEEDS else "users"


def pair_figures(own: Measured, base: Measured, metrics: Sequence[str]) -> list[Record]:
    """By how much a group is above another, user by user, over the seeds that both have.

    Raises:
        ConfigError: They cannot be paired.
    """
    seeds = common_seeds(own.group, base.group)
    for seed in seeds:
        check_pair(base.group.runs[seed], own.group.runs[seed], base.tests[seed], own.tests[seed])
    differences = {
        metric: [
            mine - theirs
            for mine, theirs in zip(
                own.values(metric, seeds), base.values(metric, seeds), strict=True
            )
        ]
        for metric in metrics
    }
    same = own.same_users(seeds)
    name = f"{own.group.label} - {base.group.label}"
    found = estimates(differences, 0, name=name, same_users=same)
    rows = []
    for metric, one in found.items():
        each = differences[metric]
        users = np.mean(each, axis=0) if same else np.concatenate(each)
        rows.append(
            {
                "group": own.group.label,
                "against": base.group.label,
                "metric": metric,
                "seeds": len(seeds),
                "users": len(users),
                "difference": one.value,
                "low": one.low,
                "high": one.high,
                "p_users": sign_flip_p(users, 0, name=name),
                "p_users_and_seeds": one.p,
                "smallest_found": one.smallest_found,
            }
        )
    return rows


def judge(rows: Sequence[Record]) -> None:
    """Add Holm's p-value over all comparisons, and what it allows to say.

    Of three seeds or more, it corrects the p-value over users and seeds; of fewer, that over
    users, which is about the weights of these seeds and not about the methods.
    """
    p_values = [
        row["p_users"] if row["p_users_and_seeds"] is None else row["p_users_and_seeds"]
        for row in rows
    ]
    for row, p in zip(rows, holm(p_values), strict=True):
        row["p_holm"] = p
        row["verdict"] = _verdict(row)


def _verdict(row: Record) -> str:
    if row["p_holm"] >= LEVEL:
        return "no difference found"
    if row["seeds"] < FEWEST_SEEDS:
        return "weights differ"
    return "better" if row["difference"] > 0 else "worse"


def fairness(measured: Measured) -> list[Record]:
    """How a metric is spread over users and over clients, in the mean of the seeds."""
    is_user = measured.group.settings.get("federation.unit") == "user"
    rows = []
    for metric in FAIRNESS:
        each = [
            _fairness(test.metrics[metric], test.users if is_user else test.partitions)
            for test in measured.tests.values()
        ]
        row: Record = {"group": measured.group.label, "metric": metric, "seeds": len(each)}
        for name in each[0]:
            row[name] = float(np.mean([one[name] for one in each]))
        rows.append(row)
    return rows


def _fairness(values: Floats, clients: np.ndarray) -> dict[str, float]:
    """Figures of one run; those over clients are NaN where there is one client alone."""
    means = partition_means(values, clients)[1]
    over_clients = spread(means) if len(means) > 1 else {}
    return {
        "worst_decile_users": spread(values)["worst_decile"],
        "gini_users": gini(values),
        "clients": float(len(means)),
        **{
            f"{name}_clients": over_clients.get(name, np.nan)
            for name in ("p10", "p50", "p90", "worst_decile")
        },
    }
