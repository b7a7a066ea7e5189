"""What runs evaluated, aligned user by user; runs of other data, protocol or users are refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.metrics import CUTOFFS, Floats, per_user
from fedrec.report.comparison.groups import Group
from fedrec.runs.record import Run
from fedrec.runs.users import numbers_in

# Columns of users.csv that are no metric, or that ranks give again.
OF_USERS = frozenset(
    {"user", "original_id", "partition", "events", "target", "rank", "personal_rank"}
) | {"HR@10", "NDCG@10"}
_USUAL = ",".join(map(str, CUTOFFS))  # a run of before the key had these
GENERATED = "synthetic"  # of such data, each seed makes users of its own
ALONE = "; compare them without pairing by --unpaired"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The test of one run, in the order of its users.

    Attributes:
        users: (U,) Numbers of the users who have a rank under the main protocol.
        targets: (U,) Held-out items; 0 where one stays with its client.
        partitions: (U,) Client that holds each user.
        metrics: Metric -> (U,) values.
    """

    users: NDArray[np.int64]
    targets: NDArray[np.int64]
    partitions: NDArray[np.int64]
    metrics: Mapping[str, Floats]


def cutoffs(groups: Sequence[Group]) -> tuple[int, ...]:
    """The k of HR@k and NDCG@k that all runs have measured."""
    each = [
        {int(k) for k in str(run.config.get("evaluation", {}).get("at", _USUAL)).split(",") if k}
        for group in groups
        for run in group.runs.values()
    ]
    return tuple(sorted(set.intersection(*each)))


def evaluated(run: Run, at: Sequence[int]) -> Evaluated:
    """What a complete run evaluated, from its users.csv.

    AUC and a user's own metrics are columns of that table, where this version wrote it. Recall,
    which is HR, is left out.

    Raises:
        DataError: The table has no number or partition of its users.
    """
    table = run.users
    if table is None or (missing := {"user", "partition"} - set(table.columns)):
        lacks = "users" if table is None else f"column {sorted(missing)[0]}"
        raise DataError(f"{run.folder / 'users.csv'}: no {lacks} in it; the file is damaged")
    table = table.sort_values("user", kind="stable")
    ranks = table["rank"].to_numpy(dtype=np.float64)
    if not len(ranks):
        raise ConfigError(f"{run.folder} evaluated no user; leave it out")
    values = per_user(ranks, at=at)
    own = [name for name in table.columns if name not in OF_USERS]
    values |= {name: numbers_in(table, name, run.folder / "users.csv") for name in own}
    has_targets = "target" in table
    return Evaluated(
        users=table["user"].to_numpy(dtype=np.int64),
        targets=table["target"].to_numpy(dtype=np.int64)
        if has_targets
        else np.zeros(len(ranks), dtype=np.int64),
        partitions=table["partition"].to_numpy(dtype=np.int64),
        metrics={name: each for name, each in values.items() if not name.startswith("Recall")},
    )


def check_group(group: Group) -> None:
    """Refuse seeds of one config on other data: only generated data differs with the seed.

    Raises:
        ConfigError: Two of them differ.
    """
    first, *others = group.runs.values()
    if str(group.settings["data.source"]).partition(":")[0] == GENERATED:
        return
    for run in others:
        if _hash(run) != _hash(first):
            raise ConfigError(
                f"{run.folder} and {first.folder} have one config but other data: "
                f"{_data(run)} and {_data(first)}; compare runs on the same data"
            )


def common_seeds(group: Group, base: Group) -> list[int]:
    """Seeds that two groups both have.

    Raises:
        ConfigError: There is none.
    """
    seeds = sorted({*group.runs} & {*base.runs})
    if not seeds:
        raise ConfigError(
            f"{group.label!r} and {base.label!r} have no seed in common: {_listed(group)} and "
            f"{_listed(base)}; run both with the same seeds{ALONE}"
        )
    return seeds


def check_pair(one: Run, other: Run, mine: Evaluated, theirs: Evaluated) -> None:
    """Refuse to pair runs that did not rank the same items for the same users.

    Raises:
        ConfigError: They differ in data, protocol, users or held-out items.
    """
    for what, seen, expected in (
        ("data", _data(other), _data(one)),
        ("evaluation.protocol", other.protocol, one.protocol),
    ):
        if seen != expected:
            raise ConfigError(
                f"{other.folder} has another {what} than {one.folder}: {seen}, expected "
                f"{expected}{ALONE}"
            )
    if not np.array_equal(mine.users, theirs.users):
        missing = len(np.setdiff1d(mine.users, theirs.users))
        raise ConfigError(
            f"{other.folder} evaluated other users than {one.folder}: {len(theirs.users):,}, "
            f"expected the same {len(mine.users):,}, of whom {missing:,} are missing{ALONE}"
        )
    # A target of 0 stays with its client, whatever it is.
    is_known = (mine.targets > 0) & (theirs.targets > 0)
    if wrong := int(np.sum((mine.targets != theirs.targets) & is_known)):
        raise ConfigError(
            f"{other.folder} held out other items than {one.folder} for {wrong:,} of "
            f"{len(mine.users):,} users, expected the same{ALONE}"
        )


def share_users(runs: Sequence[Run], tests: Sequence[Evaluated]) -> bool:
    """Whether the seeds of a group evaluated the same users, on the same data."""
    return all(
        _hash(run) == _hash(runs[0]) and np.array_equal(test.users, tests[0].users)
        for run, test in zip(runs, tests, strict=True)
    )


def _hash(run: Run) -> str:
    return str((run.about.get("data") or {}).get("hash"))


def _data(run: Run) -> str:
    return f"{(run.about.get('data') or {}).get('name')} ({_hash(run)[:16]})"


def _listed(group: Group) -> str:
    return ", ".join(map(str, group.runs))
