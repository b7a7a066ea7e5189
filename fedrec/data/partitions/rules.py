"""Partition rules by name: how users are dealt out to partitions.

A new rule is a function here and a row in ``RULES``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedrec.data.genre_profiles import dominant_genres, genre_profiles
from fedrec.data.partitions.clusters import co_occurrence_vectors, item_clusters
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError
from fedrec.randomness import generator

Assignment = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class PartitionFacts:
    """What a partition rule may look at.

    Attributes:
        sequences: Training part of the U users.
        genres: (V + 1, G) Multi-hot genres, row 0 zero; none where the data has none.
        genre_names: G names, for messages and the order of groups.
        attributes: User attribute -> U values.
        embeddings: (V + 1, S) Semantic embeddings of the items, for by = "taste-semantic".
        num_items: V, for by = "taste-co-occurrence"; the largest item of the sequences where 0.
        alpha: ``partition.alpha``.
        clusters: ``partition.clusters``.
        seed: Seed of the run, from which each rule draws a stream of its own.
    """

    sequences: Sequences
    genres: NDArray[np.floating] | None = None
    genre_names: Sequence[str] = ()
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    embeddings: NDArray[np.floating] | None = None
    num_items: int = 0
    alpha: float = 0.5
    clusters: int = 10
    seed: int = 0

    @property
    def num_users(self) -> int:
        """U."""
        return self.sequences.num_users


Rule = Callable[[PartitionFacts, int], Assignment]


def uniform(facts: PartitionFacts, count: int) -> Assignment:
    """Deal users out at random, in partitions whose sizes differ by at most one; (U,)."""
    order = generator(facts.seed, "partition", "uniform").permutation(facts.num_users)
    return _in_runs(order, count)


def activity(facts: PartitionFacts, count: int) -> Assignment:
    """Put users with similar numbers of events together; (U,)."""
    return _in_runs(np.argsort(facts.sequences.lengths(), kind="stable"), count)


def taste(facts: PartitionFacts, count: int) -> Assignment:
    """For each dominant genre, deal its users out by shares from Dirichlet(alpha, ..., alpha).

    Hsu et al., 2019, with the dominant genre in the place of a class label; (U,).
    """
    return by_shares(dominant_of("taste", facts), facts.alpha, count, facts.seed, "taste")


def taste_semantic(facts: PartitionFacts, count: int) -> Assignment:
    """As ``taste``, with clusters of semantic embeddings in the place of genres; (U,)."""
    return _by_clusters("taste-semantic", facts, count)


def taste_co_occurrence(facts: PartitionFacts, count: int) -> Assignment:
    """As ``taste``, with clusters of items that the same users have; (U,)."""
    return _by_clusters("taste-co-occurrence", facts, count)


def clusters_of(by: str, facts: PartitionFacts) -> NDArray[np.float64]:
    """One-hot clusters (V + 1, K) of the items, as the rule of a name makes them.

    Raises:
        ConfigError: "taste-semantic" without embeddings.
    """
    rng = generator(facts.seed, "partition", by, "clusters")
    if by == "taste-semantic":
        if facts.embeddings is None:
            raise ConfigError(f'partition.by = "{by}" needs semantic embeddings of the items')
        return item_clusters(facts.embeddings, facts.clusters, rng)
    num_items = facts.num_items or int(facts.sequences.items.max())
    vectors = co_occurrence_vectors(facts.sequences, num_items, rng)
    return item_clusters(vectors, facts.clusters, rng)


def _by_clusters(by: str, facts: PartitionFacts, count: int) -> Assignment:
    profiles = genre_profiles(facts.sequences, clusters_of(by, facts))
    return by_shares(dominant_genres(profiles), facts.alpha, count, facts.seed, by)


def by_shares(
    dominant: NDArray[np.int64], alpha: float, count: int, seed: int, name: str
) -> Assignment:
    """Deal the users of each taste out by shares from Dirichlet(alpha, ..., alpha); (U,).

    Args:
        dominant: (U,) Taste of each user.
        alpha: Concentration; small is uneven.
        count: Number of partitions.
        seed: Seed of the run.
        name: Name of the rule, of its stream.

    Raises:
        ConfigError: ``alpha`` is not above 0.
    """
    if not (np.isfinite(alpha) and alpha > 0):
        raise ConfigError(f"partition.alpha must be a finite number above 0, got {alpha}")
    rng = generator(seed, "partition", name)
    assignment = np.empty(len(dominant), dtype=np.int32)
    for one in np.unique(dominant):
        users = rng.permutation(np.flatnonzero(dominant == one))
        shares = rng.dirichlet(np.full(count, alpha))
        ends = np.rint(np.cumsum(shares) * len(users)).astype(np.int64)
        assignment[users] = np.searchsorted(ends, np.arange(len(users)), side="right")
    return _fill_empty(assignment, count)


def genre(facts: PartitionFacts, count: int) -> Assignment:
    """Put users with the same dominant genre together; (U,)."""
    dominant = dominant_of("genre", facts)
    names = list(facts.genre_names) or [str(column) for column in range(int(dominant.max()) + 1)]
    return _by_group([names[number] for number in dominant], count, "genre")


def by_attribute(name: str, facts: PartitionFacts, count: int) -> Assignment:
    """Put users with the same value of an attribute together; (U,).

    Raises:
        ConfigError: The data has no such attribute, or too few values of it.
        DataError: An attribute without a value for every user.
    """
    if name not in facts.attributes:
        known = ", ".join(sorted(facts.attributes)) or "none"
        raise ConfigError(
            f'partition.by is "{name}", expected each, {", ".join(RULES)}, an attribute of the '
            f'users or "package.module:name"; the data has: {known} (data.attribute-columns names '
            "columns of a table that become attributes)"
        )
    values = list(facts.attributes[name])
    if len(values) != facts.num_users:
        raise DataError(f'attribute "{name}" has {len(values)} values for {facts.num_users} users')
    return _by_group(values, count, name)


RULES: dict[str, Rule] = {
    "uniform": uniform,
    "activity": activity,
    "taste": taste,
    "taste-semantic": taste_semantic,
    "taste-co-occurrence": taste_co_occurrence,
    "genre": genre,
}


def _in_runs(order: NDArray[np.integer], count: int) -> Assignment:
    """Cut an order of all users into runs whose sizes differ by at most one."""
    assignment = np.empty(len(order), dtype=np.int32)
    for partition, run in enumerate(np.array_split(order, count)):
        assignment[run] = partition
    return assignment


def dominant_of(by: str, facts: PartitionFacts) -> NDArray[np.int64]:
    """Dominant genre of each user (U,), a column of the genres."""
    if facts.genres is None or facts.genres.shape[1] == 0:
        raise ConfigError(
            f'partition.by = "{by}" needs genres, which the data does not have; '
            'set partition.by to "taste-co-occurrence", "taste-semantic", "uniform", "activity" or '
            '"each"'
        )
    return dominant_genres(genre_profiles(facts.sequences, facts.genres))


def _fill_empty(assignment: Assignment, count: int) -> Assignment:
    """Move the last user of the largest partition into each empty one; `count` <= users."""
    sizes = np.bincount(assignment, minlength=count)
    for partition in np.flatnonzero(sizes == 0):
        largest = int(sizes.argmax())
        moved = np.flatnonzero(assignment == largest)[-1]
        assignment[moved] = partition
        sizes[largest] -= 1
        sizes[partition] += 1
    return assignment


def _by_group(values: Sequence[str], count: int, by: str) -> Assignment:
    """One partition per group of equal values; the smallest groups share when there are more.

    The `count` largest groups, in the order of their names, are partitions 0..count-1; every
    further group, the largest first, joins the partition that is smallest by then.
    """
    groups, group_of_user = np.unique(np.asarray(values, dtype=object), return_inverse=True)
    if len(groups) < count:
        raise ConfigError(
            f'partition.by = "{by}" gives {len(groups)} groups, too few for partition.count = '
            f"{count}; set partition.count and the number of SuperNodes (num-supernodes) to "
            f"{len(groups)} or fewer"
        )
    sizes = np.bincount(group_of_user)
    by_size = np.argsort(-sizes, kind="stable")
    first = sorted(by_size[:count], key=lambda group: _natural(str(groups[group])))
    partition_of_group = np.empty(len(groups), dtype=np.int32)
    partition_of_group[first] = np.arange(count)
    held = sizes[first]
    for group in by_size[count:]:
        smallest = int(held.argmin())
        partition_of_group[group] = smallest
        held[smallest] += sizes[group]
    return partition_of_group[group_of_user]


def _natural(value: str) -> tuple[int, float, str]:
    """Numbers by value and before words: "2" < "10" < "F"."""
    return (0, float(value), value) if value.isdecimal() else (1, 0.0, value)
