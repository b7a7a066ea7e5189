"""What a round moves to and from one-user clients, counted as a deployment would send it.

A simulation hands whole arrays to a process that plays many users. A user's device would get the
dense weights, the item rows that its training reads (its own items, and the negatives that all
share), and once the frozen table; it would send back the same arrays without the table.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from fedrec.models.recommender import Recommender
from fedrec.training.rounding import BYTES
from server.reading import Trained
from server.selection import Population

ROW_NUMBER = 4  # bytes that say which item a row is of


@dataclass(frozen=True)
class UserTraffic:
    """Bytes that one user moves.

    Attributes:
        dense: of the shared weights that belong to no item, down.
        row: of an item's shared rows with its number, down.
        table: of the frozen tables, once.
        dense_up: of the update of those weights.
        row_up: of the update of an item's rows, with its number.
        rows: names of the shared parameters with a row per item.
    """

    dense: int
    row: int
    table: int
    dense_up: int
    row_up: int
    rows: frozenset[str] = frozenset()

    def down(self, rows: np.ndarray, num_new: int) -> int:
        """Bytes to users who read so many rows (n,), ``num_new`` of them for the first time."""
        return len(rows) * self.dense + int(rows.sum()) * self.row + num_new * self.table

    def up(self, rows: np.ndarray) -> int:
        """Bytes from users who read so many rows (n,)."""
        return len(rows) * self.dense_up + int(rows.sum()) * self.row_up


NOTHING = UserTraffic(0, 0, 0, 0, 0)  # where partitions are the clients


def traffic_of(
    model: Recommender, shared: Collection[str], download: str = "float32", upload: str = "float32"
) -> UserTraffic:
    """What a user moves of a model whose ``shared`` parameters travel.

    Args:
        model: of the run.
        shared: names of the parameters that travel.
        download: how weights are sent.
        upload: how an update is sent; each array that is rounded has a scale in float32.
    """
    tables = sum(
        b.numel() * b.element_size() for n, b in model.named_buffers() if n in model.item_arrays
    )
    sizes = {name: p.numel() for name, p in model.named_parameters() if name in set(shared)}
    per_item = {
        name: p.numel() // len(p)
        for name, p in model.named_parameters()
        if name in sizes and name in model.item_arrays
    }
    dense = sum(size for name, size in sizes.items() if name not in per_item)
    row = sum(per_item.values())
    scales = 0 if upload == "float32" else 4 * len(sizes)
    number = ROW_NUMBER if row else 0
    return UserTraffic(
        dense=BYTES[download] * dense,
        row=BYTES[download] * row + number,
        table=tables,
        dense_up=BYTES[upload] * dense + scales,
        row_up=BYTES[upload] * row + number,
        rows=frozenset(per_item),
    )


def count_round(
    traffic: UserTraffic, population: Population, seen: str, accepted: Iterable[Trained]
) -> tuple[int, int, str]:
    """Bytes down and up of a round's users, and ``seen`` with them.

    Args:
        traffic: of one user.
        population: all users that can be drawn.
        seen: who took part before, a bit for each user in hexadecimal; empty for nobody.
        accepted: what was read of the replies.
    """
    replies = list(accepted)
    rows = np.concatenate([one.rows for one in replies])
    places = population.places(np.concatenate([one.users for one in replies]))
    packed = bytes.fromhex(seen) if seen else bytes(-(-len(population.users) // 8))
    bits = np.frombuffer(packed, dtype=np.uint8).copy()
    byte, mask = places // 8, (128 >> (places % 8)).astype(np.uint8)
    num_new = int(((bits[byte] & mask) == 0).sum())
    np.bitwise_or.at(bits, byte, mask)
    return traffic.down(rows, num_new), traffic.up(rows), bits.tobytes().hex()
