"""The ranks of one run's test, and of several put together by who was ranked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from fedrec.config.sections.scenario import Scenario
from fedrec.errors import DataError
from fedrec.evaluation.metrics import Floats, hr, ndcg
from fedrec.runs.record import Run

METRICS: dict[str, Callable[[Floats, int], Floats]] = {"NDCG@10": ndcg, "HR@10": hr}
MAIN = "NDCG@10"
ALL, RARE, OTHERS = "all", "rare", "others"  # held-out items


@dataclass(frozen=True, eq=False)
class TestRanks:
    """The test ranks of one run.

    Attributes:
        people: (U,) Original ids, or numbers of users where ids stay with clients.
        targets: (U,) Held-out items; 0 where one stays with its client.
        ranks: (U,) Ranks of the held-out items.
        is_rare: (U,) Whether training has seen the held-out item never, or seldom, as the scenario
            wants it; None where the scenario holds no item back, or some held-out items or counts
            stay with clients.
        is_generated: Whether another seed makes up other people, who are nobody's repetition.
    """

    people: np.ndarray
    targets: np.ndarray
    ranks: Floats
    is_rare: np.ndarray | None
    is_generated: bool

    def part(self, name: str) -> np.ndarray:
        """(U,) whether the held-out item is one of "all", of the "rare" ones or the "others"."""
        if name == ALL or self.is_rare is None:
            return np.full(len(self.ranks), name == ALL)
        return self.is_rare if name == RARE else ~self.is_rare

    def values(self, metric: str) -> Floats:
        """(U,) a metric at 10."""
        return METRICS[metric](self.ranks, 10)


def read_test_ranks(run: Run) -> TestRanks:
    """The test ranks of a complete run.

    Raises:
        DataError: Users.csv or items.csv is damaged.
    """
    users = run.users
    if users is None or "original_id" not in users:
        raise DataError(f"{run.folder / 'users.csv'}: no users in it; the file is damaged")
    has_targets = "target" in users
    targets = users["target"].to_numpy() if has_targets else np.zeros(len(users), dtype=np.int64)
    what, most = held_back(run)
    is_rare = None
    if what and has_targets and targets.all():  # else what is rare is known of some only
        items = pd.read_csv(run.folder / "items.csv", index_col="item")
        if "training_events" in items:
            events = items["training_events"].reindex(targets).to_numpy()
            is_rare = (events <= most) & (events >= min(1, most))  # few is not none
    source = str(run.config["data"]["source"]).partition(":")[0]
    people = users["original_id"].to_numpy()
    if "" in people:
        people = np.array([f"user {number}" for number in users["user"]], dtype=object)
    return TestRanks(
        people,
        targets,
        users["rank"].to_numpy(dtype=np.float64),
        is_rare,
        source == "synthetic",
    )


def held_back(run: Run) -> tuple[str, int]:
    """What the scenario holds back: a word for such items, and their training events at most."""
    scenario = run.config.get("scenario", {})
    if scenario.get("cold-items"):
        return "cold", 0
    if scenario.get("few-shot-items"):
        return "few-shot", int(scenario["few-shot-events"])
    return "", -1


def hidden(run: Run) -> str:
    """What of the data training may not see, by its keys; runs of before scenarios saw all."""
    usual = {key.replace("_", "-"): value for key, value in asdict(Scenario()).items()}
    kept = run.config.get("scenario", {})
    return ", ".join(f"{key} = {value}" for key, value in kept.items() if value != usual.get(key))


def told_apart(own: TestRanks, other: TestRanks) -> TestRanks:
    """A run that holds no item back, with those items rare that another run holds back."""
    if own.is_rare is not None or other.is_rare is None:
        return own
    return replace(own, is_rare=np.isin(own.targets, other.targets[other.is_rare]))


def pooled(runs: Mapping[int, TestRanks], metric: str, part: str) -> Floats:
    """(P,) a metric of every person over the seeds: the mean of each one's own.

    Args:
        runs: Runs by seed; at least one.
        metric: One of METRICS.
        part: Part of the held-out items, as in ``TestRanks.part``.
    """
    seeds = sorted(runs)
    masks = [runs[seed].part(part) for seed in seeds]
    people = [_named(runs[s], s)[mask] for s, mask in zip(seeds, masks, strict=True)]
    values = [runs[s].values(metric)[mask] for s, mask in zip(seeds, masks, strict=True)]
    return _means(np.concatenate(people), np.concatenate(values))


def paired(
    runs: Mapping[int, TestRanks],
    base: Mapping[int, TestRanks],
    seeds: Sequence[int],
    part: str,
    metric: str = MAIN,
) -> Floats:
    """(P,) by how much a person's metric is above the baseline's, the mean over the seeds.

    A pair is one person's same held-out item in the same seed, in both runs. What is rare is what
    either of them holds back.
    """
    people, values = [np.empty(0, dtype=object)], [np.empty(0)]
    for seed in seeds:
        own, other = runs[seed], base[seed]
        _, here, there = np.intersect1d(_keys(own), _keys(other), return_indices=True)
        order = np.argsort(here)
        here, there = here[order], there[order]
        mask = (own if own.is_rare is not None else other).part(part)
        kept = mask[here if own.is_rare is not None else there]
        here, there = here[kept], there[kept]
        people.append(_named(own, seed)[here])
        values.append(own.values(metric)[here] - other.values(metric)[there])
    return _means(np.concatenate(people), np.concatenate(values))


def _named(run: TestRanks, seed: int) -> np.ndarray:
    """(U,) names that two seeds share where they are one person."""
    if not run.is_generated:
        return run.people.astype(object)
    return np.array([f"{seed}/{person}" for person in run.people], dtype=object)


def _keys(run: TestRanks) -> np.ndarray:
    """(U,) one text for each person with the held-out item."""
    return np.array([f"{t}/{p}" for t, p in zip(run.targets, run.people, strict=True)], dtype=str)


def _means(people: np.ndarray, values: Floats) -> Floats:
    """(P,) means by person, in the order in which they come first."""
    if not len(values):
        return values
    codes, _ = pd.factorize(people)
    return np.bincount(codes, weights=values) / np.bincount(codes)
