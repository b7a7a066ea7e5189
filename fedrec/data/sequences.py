"""Item sequences of all users in flat arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import DataError


@dataclass(frozen=True, repr=False)
class Sequences:
    """Item sequences of U users in time order; user u owns ``items[offsets[u]:offsets[u + 1]]``.

    Args:
        items: (T,) int32, real items are 1..V; 0 is padding and never stored.
        offsets: (U + 1,) int64, from 0 to T, never scheduled_rate.
        times: (T,) int64 in the unit of the source, or None where only the order is known.

    Raises:
        DataError: The arrays do not fit each other.
    """

    items: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        offsets, total = self.offsets, len(self.items)
        if self.items.dtype != np.int32 or offsets.dtype != np.int64:
            raise DataError(
                "sequences need items in int32 and offsets in int64, "
                f"got {self.items.dtype} and {offsets.dtype}"
            )
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != total:
            raise DataError(f"offsets of sequences must run from 0 to {total}, the number of items")
        if np.any(np.diff(offsets) < 0):
            raise DataError("offsets of sequences must never fall")
        if self.times is not None and len(self.times) != total:
            raise DataError(f"sequences hold {total} items but {len(self.times)} times")

    def __repr__(self) -> str:
        """One line: the sizes, and whether times are known."""
        times = "" if self.times is None else ", with times"
        return f"<Sequences of {self.num_users:,} users: {self.num_events:,} events{times}>"

    @property
    def num_users(self) -> int:
        """U."""
        return len(self.offsets) - 1

    @property
    def num_events(self) -> int:
        """T, over all users."""
        return len(self.items)

    def of(self, user: int) -> NDArray[np.int32]:
        """Items of one user, (n,) int32, a view."""
        if not 0 <= user < self.num_users:
            raise IndexError(f"user {user} is not one of 0..{self.num_users - 1}")
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def times_of(self, user: int) -> NDArray[np.int64]:
        """Times of one user, (n,) int64, a view.

        Raises:
            DataError: Only the order of the events is known.
        """
        if self.times is None:
            raise DataError("these data hold no times, only an order; set model.time = ''")
        return self.times[self.offsets[user] : self.offsets[user + 1]]

    def lengths(self) -> NDArray[np.int64]:
        """Events of each user, (U,) int64."""
        return np.diff(self.offsets)

    def subset(self, users: NDArray[np.integer]) -> "Sequences":
        """Copy of the sequences of the users given, renumbered 0.. in the order given."""
        chosen = np.asarray(users, dtype=np.int64)
        return pieces(self, self.offsets[chosen], self.offsets[chosen + 1])


def marked(sequences: Sequences, mask: NDArray[np.bool_]) -> Sequences:
    """Copy the events that a mask (T,) marks; users without any keep an empty sequence."""
    so_far = np.zeros(sequences.num_events + 1, dtype=np.int64)
    np.cumsum(mask, out=so_far[1:])
    times = None if sequences.times is None else np.asarray(sequences.times[mask])
    return Sequences(np.asarray(sequences.items[mask]), so_far[sequences.offsets], times)


def pieces(sequences: Sequences, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Sequences:
    """Copy the events ``starts[i]:ends[i]`` (positions in the flat arrays) as sequence i."""
    lengths = ends - starts
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    # Position t of the copy lies (start - offset) of its own user further right in the original.
    where = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    times = None if sequences.times is None else np.asarray(sequences.times[where])
    return Sequences(np.asarray(sequences.items[where]), offsets, times)


def history_mask(histories: Sequence[NDArray[np.integer]], num_items: int) -> NDArray[np.bool_]:
    """Which items each history holds.

    Args:
        histories: B arrays of items, of any length; padding (item 0) is ignored.
        num_items: V.

    Returns:
        (B, V+1), true where the user has the item; column 0 is false.
    """
    mask = np.zeros((len(histories), num_items + 1), dtype=bool)
    if histories:
        rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        mask[rows, np.concatenate(histories)] = True
    mask[:, 0] = False
    return mask
