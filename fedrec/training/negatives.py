"""Negative sampling for training.

Negatives are drawn from everything but the user's *training* history, or from the whole catalogue
but the target (``loss.own-history = "keep"``). Validation and test items stay in the pool on
purpose: a pool without them tells the model which items are held out, since those alone never
appear as negatives. Items that a scenario makes cold are in no pool: training never has them as
targets, and would learn that they are none.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.data.sequences import history_mask
from fedrec.errors import ConfigError
from fedrec.randomness import generator

# Rejection passes before the few draws that are still wrong are made from the exact pool.
_PASSES = 8


def open_items(num_items: int, cold: Sequence[int]) -> NDArray[np.int64]:
    """The items of 1..V that negatives may be drawn from, ascending: all but the cold ones."""
    return np.delete(np.arange(1, num_items + 1), np.asarray(cold, dtype=np.int64) - 1)


def shared_negatives(
    seed: int, round: int, step: int, num_items: int, count: int
) -> NDArray[np.int64]:
    """Distinct uniform items that every client uses in one step of one round.

    Args:
        seed: Seed of the run.
        round: Number of the round.
        step: Number of the local step within the round.
        num_items: V; items are 1..V.
        count: Number of items to draw.

    Returns:
        (count,) distinct items of 1..V in the order drawn, equal for equal arguments.

    Raises:
        ConfigError: The catalogue has fewer than `count` items, or `count` is not positive.
    """
    if not 1 <= count <= num_items:
        raise ConfigError(
            f"loss.negatives is {count}, but distinct negatives must number 1 to {num_items}, "
            "the items of the catalogue; change loss.negatives"
        )
    rng = generator(seed, "negatives", round, step)
    return rng.choice(num_items, size=count, replace=False).astype(np.int64) + 1


def sampled_negatives(
    rng: np.random.Generator, seen: NDArray[np.bool_], length: int, count: int
) -> NDArray[np.int64]:
    """Uniform negatives for every position, from everything but the training history.

    StepSeeds are independent, so one position may get the same item twice. They are uniform over
    the items not seen: a draw that hits the history is made again, and the last few are made
    from the list of unseen items, so that a user who saw nearly everything costs no loop.

    Args:
        rng: Stream of this user, round and step (see `fedrec.randomness.generator`).
        seen: (B, V+1) `history_mask` of the training histories.
        length: L, positions per user.
        count: K, negatives per position.

    Returns:
        (B, L, K) items of 1..V, none of them in its user's training history.

    Raises:
        ConfigError: `count` is not positive, or a user has seen the whole catalogue.
    """
    num_items = seen.shape[1] - 1
    if count < 1:
        raise ConfigError(f"loss.negatives must be 1 or more, got {count}")
    drawn = rng.integers(1, num_items + 1, size=(len(seen), length * count))
    rows, columns = np.nonzero(seen[np.arange(len(seen))[:, None], drawn])
    # Who has seen everything has drawn nothing else: without a wrong draw there is nobody.
    full = int(seen[np.unique(rows), 1:].all(axis=1).sum()) if len(rows) else 0
    if full:
        raise ConfigError(
            f"{full} of {len(seen)} users have all {num_items} items in their training history, "
            "so no negative is left to draw; choose a loss without sampled negatives (loss.name)"
        )
    for _ in range(_PASSES):
        if not len(rows):
            break
        again = rng.integers(1, num_items + 1, size=len(rows))
        drawn[rows, columns] = again
        wrong = seen[rows, again]
        rows, columns = rows[wrong], columns[wrong]
    for row in np.unique(rows):
        unseen = np.flatnonzero(~seen[row, 1:]) + 1
        places = columns[rows == row]
        drawn[row, places] = rng.choice(unseen, size=len(places))
    return drawn.reshape(len(seen), length, count)


def own_negatives(
    rng: np.random.Generator,
    history: NDArray[np.integer],
    catalogue: NDArray[np.int64],
    targets: NDArray[np.integer],
    count: int,
    *,
    keep: bool = False,
) -> NDArray[np.int64]:
    """Negatives (L, K) of one user's targets, from what the user may be offered.

    Args:
        rng: Stream of this user, round and step.
        history: (n,) The training part, all of it in the catalogue; padding (item 0) is ignored.
        catalogue: (C,) Items, ascending.
        targets: (L,) What followed at each position.
        count: K.
        keep: Draw from everything but the target itself, items of the history too.

    Raises:
        ConfigError: As for ``sampled_negatives``.
    """
    if keep:
        return _all_but(rng, np.searchsorted(catalogue, targets), catalogue, count)
    places = np.searchsorted(catalogue, history[history > 0]) + 1
    seen = history_mask([places], len(catalogue))
    return np.asarray(catalogue[sampled_negatives(rng, seen, len(targets), count)[0] - 1])


def _all_but(
    rng: np.random.Generator,
    places: NDArray[np.int64],
    catalogue: NDArray[np.int64],
    count: int,
) -> NDArray[np.int64]:
    """Negatives (L, K), uniform over the catalogue without the item at each of the places (L,)."""
    if len(catalogue) == 1:
        raise ConfigError(
            "the catalogue has one item, so no negative is left to draw; choose a loss without "
            "sampled negatives (loss.name)"
        )
    drawn = rng.integers(0, len(catalogue) - 1, size=(len(places), count))
    return np.asarray(catalogue[drawn + (drawn >= places[:, None])])
