"""What a round moves to and from one-user clients, counted as a deployment would send it.

A simulation hands whole arrays to a process that plays many users. A user's device would get the
dense weights, the item rows that its training reads (its own items, and the negatives that all
share), and once the frozen table; it would send back the same arrays without the table.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fedrec.models.recommender import Recommender

ROW_NUMBER = 4  # bytes that say which item a row is of


@dataclass(frozen=True)
class UserTraffic:
    """Bytes that one user moves.

    Attributes:
        dense: of the shared weights that belong to no item, down and up.
        row: of an item's shared rows with its number, down and up.
        table: of the frozen tables, once.
    """

    dense: int
    row: int
    table: int

    def down(self, rows: np.ndarray, num_new: int) -> int:
        """Bytes to users who read so many rows (n,), ``num_new`` of them for the first time."""
        return len(rows) * self.dense + int(rows.sum()) * self.row + num_new * self.table

    def up(self, rows: np.ndarray) -> int:
        """Bytes from users who read so many rows (n,)."""
        return len(rows) * self.dense + int(rows.sum()) * self.row


def traffic_of(model: Recommender, shared: Iterable[str]) -> UserTraffic:
    """What a user moves of a model whose ``shared`` parameters travel."""
    sizes = {name: p.numel() * p.element_size() for name, p in model.named_parameters()}
    tables = sum(
        b.numel() * b.element_size() for n, b in model.named_buffers() if n in model.item_arrays
    )
    per_item = [name for name in shared if name in model.item_arrays]
    parameters = dict(model.named_parameters())
    row = sum(sizes[name] // len(parameters[name]) for name in per_item)
    dense = sum(sizes[name] for name in shared) - sum(sizes[name] for name in per_item)
    return UserTraffic(dense, row + ROW_NUMBER if row else 0, tables)


def note_seen(seen: str, places: np.ndarray, population: int) -> tuple[str, int]:
    """Mark users as having taken part.

    Args:
        seen: a bit for each user in hexadecimal, empty before the first round.
        places: (n,) of the users in the population.
        population: how many users there are.

    Returns:
        The same with them, and how many of them are new.
    """
    packed = bytes.fromhex(seen) if seen else bytes(-(-population // 8))
    bits = np.frombuffer(packed, dtype=np.uint8).copy()
    byte, mask = places // 8, (128 >> (places % 8)).astype(np.uint8)
    new = int(((bits[byte] & mask) == 0).sum())
    np.bitwise_or.at(bits, byte, mask)
    return bits.tobytes().hex(), new
