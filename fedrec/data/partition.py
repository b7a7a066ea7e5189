"""Who holds whose sequences: every user goes to exactly one of `count` partitions."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError
from fedrec.randomness import generator

Assignment = NDArray[np.int32]


def assign(
    by: str,
    count: int,
    *,
    sequences: Sequences,
    seed: int,
    alpha: float = 0.5,
    genres: NDArray[np.floating] | None = None,
    genre_names: Sequence[str] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
) -> Assignment:
    """Give every user a partition; none stays empty, and equal arguments give equal results.

    Args:
        by: "each" (a partition per user), "uniform" (at random, sizes equal), "activity"
            (neighbours in number of events), "taste" (dominant genres, spread by a Dirichlet
            law), "genre" (dominant genre), or a user attribute such as "gender".
        count: number of partitions; 0 with "each" means as many as users.
        sequences: training part of the U users.
        seed: seed of the run; only "uniform" and "taste" draw.
        alpha: for "taste": small gathers a genre's users in few partitions, large spreads them.
        genres: (V+1, G) multi-hot genres, row 0 zero; for "taste" and "genre".
        genre_names: G names, for messages and the order of groups.
        attributes: attribute name to one value per user.

    Returns:
        (U,) partition numbers 0..count-1.

    Raises:
        ConfigError: more partitions than users or than groups, a bad alpha, an attribute or
            genres that the data lacks.
        DataError: an attribute without a value for every user.
    """
    users = sequences.num_users
    if by == "each":
        return _each(count, users)
    if not 1 <= count <= users:
        raise ConfigError(
            f"partition.count is {count}, but {users} users can fill 1 to {users} partitions; "
            "change partition.count (and the number of SuperNodes)"
        )
    if by == "uniform":
        return _in_runs(generator(seed, "partition", by).permutation(users), count)
    if by == "activity":
        return _in_runs(np.argsort(sequences.lengths(), kind="stable"), count)
    if by in ("taste", "genre"):
        dominant = dominant_genres(_profile(by, sequences, genres))
        if by == "taste":
            return _by_taste(dominant, count, alpha, seed)
        names = genre_names or [str(column) for column in range(int(dominant.max()) + 1)]
        return _by_group([names[genre] for genre in dominant], count, by)
    return _by_group(_attribute(by, users, attributes), count, by)


def users_of(assignment: Assignment, partition: int) -> NDArray[np.int64]:
    """Global numbers of the users of one partition, ascending.

    Raises:
        ConfigError: the partition number is out of range.
    """
    count = int(assignment.max()) + 1
    if not 0 <= partition < count:
        raise ConfigError(
            f"partition {partition} does not exist, there are {count} (0 to {count - 1}); "
            "partition.count must equal the number of SuperNodes"
        )
    return np.flatnonzero(assignment == partition)


def genre_profiles(sequences: Sequences, genres: NDArray[np.floating]) -> NDArray[np.float64]:
    """How much each user watched of each genre.

    Args:
        sequences: of U users, usually their training part.
        genres: (V+1, G) multi-hot.

    Returns:
        (U, G): every event adds 1, in equal parts to the genres of its item. (Counting 1 for
        each genre would let items of many genres speak louder.)
    """
    weights = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)
    user_of_event = np.repeat(np.arange(sequences.num_users), sequences.lengths())
    columns = [
        np.bincount(user_of_event, weights=column[sequences.items], minlength=sequences.num_users)
        for column in np.ascontiguousarray(weights.T)
    ]
    return np.stack(columns, axis=1)


def dominant_genres(profiles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Most watched genre of each user, (U,) from (U, G); the first of equals."""
    dominant: NDArray[np.int64] = profiles.argmax(axis=1)
    return dominant


def taste_divergence(assignment: Assignment, profiles: NDArray[np.float64]) -> float:
    """How far the partitions' tastes lie from everybody's, in bits.

    Args:
        assignment: (U,) partition numbers.
        profiles: (U, G) as `genre_profiles` gives them.

    Returns:
        Mean over partitions, each counted once, of the Jensen-Shannon divergence (base 2,
        0 to 1) between the partition's share of genres and the global one.
    """
    count = int(assignment.max()) + 1
    held = np.stack(
        [np.bincount(assignment, weights=column, minlength=count) for column in profiles.T], axis=1
    )
    held = held[held.sum(axis=1) > 0]  # a partition without any genre has no profile
    if not len(held):
        return 0.0
    local = held / held.sum(axis=1, keepdims=True)
    overall = held.sum(axis=0) / held.sum()
    middle = (local + overall) / 2
    return float(((_bits(local, middle) + _bits(overall, middle)) / 2).mean())


def _bits(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kullback-Leibler divergence of each row, with 0 log 0 = 0."""
    p = np.broadcast_to(p, q.shape)
    ratio = np.divide(p, q, out=np.ones_like(q), where=p > 0)
    bits: NDArray[np.float64] = (p * np.log2(ratio)).sum(axis=1)
    return bits


def _each(count: int, users: int) -> Assignment:
    if count not in (0, users):
        raise ConfigError(
            f'partition.count is {count}, but partition.by = "each" gives one partition to each '
            f"of {users} users; set partition.count to {users}"
        )
    return np.arange(users, dtype=np.int32)


def _in_runs(order: NDArray[np.integer], count: int) -> Assignment:
    """Cut an order of all users into runs whose sizes differ by at most one."""
    assignment = np.empty(len(order), dtype=np.int32)
    for partition, run in enumerate(np.array_split(order, count)):
        assignment[run] = partition
    return assignment


def _profile(
    by: str, sequences: Sequences, genres: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    if genres is None or genres.shape[1] == 0:
        raise ConfigError(
            f'partition.by = "{by}" needs genres, which the data does not have; '
            'set partition.by to "uniform", "activity" or "each"'
        )
    return genre_profiles(sequences, genres)


def _by_taste(dominant: NDArray[np.int64], count: int, alpha: float, seed: int) -> Assignment:
    """For each genre, deal its users out by shares drawn from Dirichlet(alpha, ..., alpha).

    Hsu et al., 2019, with the dominant genre in the place of a class label.
    """
    if not (np.isfinite(alpha) and alpha > 0):
        raise ConfigError(f"partition.alpha must be a finite number above 0, got {alpha}")
    rng = generator(seed, "partition", "taste")
    assignment = np.empty(len(dominant), dtype=np.int32)
    for genre in np.unique(dominant):
        users = rng.permutation(np.flatnonzero(dominant == genre))
        shares = rng.dirichlet(np.full(count, alpha))
        ends = np.rint(np.cumsum(shares) * len(users)).astype(np.int64)
        assignment[users] = np.searchsorted(ends, np.arange(len(users)), side="right")
    return _fill_empty(assignment, count)


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


def _attribute(by: str, users: int, attributes: Mapping[str, Sequence[str]] | None) -> list[str]:
    known = attributes or {}
    if by not in known:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigError(
            f'partition.by is "{by}", expected each, uniform, activity, taste, genre or an '
            f"attribute of the users; the data has: {names}"
        )
    values = list(known[by])
    if len(values) != users:
        raise DataError(f'attribute "{by}" has {len(values)} values for {users} users')
    return values


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
