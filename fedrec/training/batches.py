"""Batches of training sequences: of random users, or of users alike in length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedrec.data.sequences import Sequences
from fedrec.data.times import pad_times, times_around
from fedrec.training.windows import windows_of

MIN_TRAINING_EVENTS = 2  # one to read, one to predict
POOL = 16  # batches that are sorted by length together
GROUP_COST = 300  # of another group of rows, in positions: calls of small kernels


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Inputs and targets of B windows of users, padded on the right with 0.

    Attributes:
        users: (B,) Global user numbers; several windows of a user follow one another.
        items: (B, L) int64, what was read; in a cloze batch 0 where an item is hidden.
        targets: (B, L) int64, what followed, or in a cloze batch what is hidden; 0 where nothing
            is asked, as behind the end of a row.
        lengths: (B,) int64, real positions in each row.
        times: (B, L + 2) int64 of ``fedrec.data.times``, or none.
    """

    users: np.ndarray
    items: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray
    times: np.ndarray | None = None

    @property
    def num_targets(self) -> int:
        """Targets in all rows."""
        return int(self.counts.sum())

    @property
    def counts(self) -> np.ndarray:
        """(B,) targets of each row."""
        return np.asarray((self.targets > 0).sum(axis=1))

    @property
    def targets_of(self) -> dict[int, int]:
        """User -> targets in all its rows, in the order of the rows."""
        found: dict[int, int] = {}
        for user, count in zip(self.users.tolist(), self.counts.tolist(), strict=True):
            found[user] = found.get(user, 0) + count
        return found


def trainable_users(training: Sequences, users: np.ndarray) -> np.ndarray:
    """The users among ``users`` whose training part has an item to predict."""
    return np.asarray(users[training.lengths()[users] >= MIN_TRAINING_EVENTS])


def num_targets(
    training: Sequences, users: np.ndarray, max_length: int, windows: int = 1
) -> np.ndarray:
    """(n,) targets that one pass over each of ``users`` trains on: next items, whatever the task.

    They weigh a client in a mean. The cloze task asks for a share of the same items, drawn anew in
    each step; what a client declares must hang on its data alone, so these are declared for it too.

    Args:
        training: Training parts.
        users: (n,) Global numbers.
        max_length: Length of the longest window.
        windows: Number of windows that are read, newest first; 0 for all.
    """
    lengths = training.offsets[users + 1] - training.offsets[users]
    return np.asarray(np.clip(lengths - 1, 0, windows * max_length or None))


def epoch_order(
    training: Sequences,
    users: np.ndarray,
    batch_size: int,
    rng: np.random.Generator,
    *,
    at_random: bool = False,
) -> list[np.ndarray]:
    """Cut the users of one pass into batches; every user comes once.

    Batches alike in length are little padded, but weigh a target by its user's length: each is a
    mean over its targets, and each takes a step of about the same size. Pools of 16 batches are
    then sorted by length, cut, and the batches shuffled again, so that a short and a long batch
    are as likely at any moment.

    Args:
        training: Training parts.
        users: (n,) Global numbers.
        batch_size: Users of a batch.
        rng: Stream of the pass.
        at_random: Whether a batch is a random one, as a cohort of one-user clients is.
    """
    users = rng.permutation(trainable_users(training, users))
    if at_random:
        return [users[first : first + batch_size] for first in range(0, len(users), batch_size)]
    lengths = training.lengths()
    batches: list[np.ndarray] = []
    for start in range(0, len(users), POOL * batch_size):
        pool = users[start : start + POOL * batch_size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[cut : cut + batch_size] for cut in range(0, len(pool), batch_size)]
    return [batches[number] for number in rng.permutation(len(batches))]


def rows_alike(lengths: np.ndarray) -> list[np.ndarray]:
    """Cut the rows of a batch into groups alike in length, where padding costs least.

    Args:
        lengths: (B,) Real positions of each row.

    Returns:
        The rows of each group, the shortest first; every row once.
    """
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order]
    # Cheapest cut of the first n rows, for n = 0, 1, ...: a last group behind a cheapest cut.
    cost, begin = np.zeros(len(order) + 1), np.zeros(len(order) + 1, dtype=np.int64)
    for end in range(1, len(order) + 1):
        total = cost[:end] + ordered[end - 1] * np.arange(end, 0, -1) + GROUP_COST
        begin[end] = total.argmin()
        cost[end] = total[begin[end]]
    groups, end = [], len(order)
    while end > 0:
        groups.append(order[begin[end] : end])
        end = int(begin[end])
    return groups[::-1]


def collate(
    training: Sequences,
    users: np.ndarray,
    max_length: int,
    windows: int = 1,
    *,
    with_times: bool = False,
) -> Batch:
    """The newest windows of each user's training part as one batch.

    Args:
        training: Training parts.
        users: (n,) Global numbers of users with two events or more.
        max_length: Length of the longest window.
        windows: Number of windows that are read, newest first; 0 for all.
        with_times: Whether the model reads times.

    Raises:
        DataError: Times are needed and only the order of the events is known.
    """
    cut = [windows_of(int(user), training.of(int(user)), max_length, windows) for user in users]
    rows = [
        one.history[start : start + length + 1]
        for one in cut
        for start, length in zip(one.starts.tolist(), one.lengths.tolist(), strict=True)
    ]
    times = None
    if with_times:
        times = pad_times(
            [
                times_around(training.times_of(one.user), start, length)
                for one in cut
                for start, length in zip(one.starts.tolist(), one.lengths.tolist(), strict=True)
            ]
        )
    owners = np.repeat(users, [len(one.starts) for one in cut])
    return Batch(users=owners, times=times, **pad_rows(rows))


def pad_rows(rows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Inputs, targets and lengths of rows of n + 1 items each: n steps from one to the next."""
    lengths = np.array([len(row) - 1 for row in rows], dtype=np.int64)
    items = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
    targets = np.zeros_like(items)
    for number, row in enumerate(rows):
        items[number, : lengths[number]] = row[:-1]
        targets[number, : lengths[number]] = row[1:]
    return {"items": items, "targets": targets, "lengths": lengths}
