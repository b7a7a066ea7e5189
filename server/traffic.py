"""What a round moves to and from one-user clients, counted as a deployment would send it.

A simulation hands whole arrays to a process that plays many users. A user's device would get the
dense weights, the item rows that its training reads (its own items, and the negatives that all
share), and once the frozen table; it would send back the same arrays without the table.

Whoever was asked has got its download, and whoever replied has sent its update, whether or not it
was used: users whose update is broken, whose partition's reply is refused, or whose round is tried
again are counted in each try. A simulated drop-out comes before the download, and moves nothing. Of
users whose own number of rows does not arrive, the most rows that their training can read are
counted: the server knows their targets, not their items.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from fedrec.models.recommender import Recommender
from fedrec.training.cohort.loss import CohortLoss, needs_all_rows
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.quantization import BYTES
from server.replies.train import TrainReply
from server.sampling.population import Population

ROW_NUMBER = 4  # bytes of an item's number, where rows are named one by one
NUMBER = 8  # bytes of a rank, and of each number that comes with it
ABOUT_RANKS = ("user", "candidates", "events")


@dataclass(frozen=True, kw_only=True)
class UserTraffic:
    """Bytes that one user moves.

    Attributes:
        dense: of the shared weights that belong to no item, down.
        row: of an item's shared rows, down.
        dense_up: of the update of those weights.
        row_up: of the update of an item's rows.
        table: of the frozen tables, once.
        judged: of all shared weights in float32, down to a user whose held-out item is ranked.
        num_items: V, rows of the catalogue without padding; 0 where nothing has a row per item.
        rows: names of the shared parameters with a row per item.
    """

    dense: int = 0
    row: int = 0
    dense_up: int = 0
    row_up: int = 0
    table: int = 0
    judged: int = 0
    num_items: int = 0
    rows: frozenset[str] = frozenset()

    def naming(self, rows: np.ndarray) -> int:
        """Bytes that say which items so many rows (n,) of n users are of.

        Nothing where the whole catalogue travels; else a number each, or a bit for every item of
        the catalogue where that is shorter.
        """
        if not self.row:
            return 0
        each = np.minimum(ROW_NUMBER * rows, -(-self.num_items // 8))
        return int(each[rows != self.num_items].sum())

    def down(self, rows: np.ndarray, num_new: int) -> int:
        """Bytes to users who read so many rows (n,), ``num_new`` of them for the first time."""
        arrays = len(rows) * self.dense + int(rows.sum()) * self.row
        return arrays + self.naming(rows) + num_new * self.table

    def up(self, rows: np.ndarray) -> int:
        """Bytes from users who read so many rows (n,)."""
        return len(rows) * self.dense_up + int(rows.sum()) * self.row_up + self.naming(rows)

    def evaluation(
        self,
        asked: int,
        replied: int,
        *,
        ranks: int,
        is_first: bool,
        names_items: bool,
    ) -> int:
        """Bytes to users who rank their held-out item among the catalogue, and back.

        Args:
            asked: users.
            replied: users among them whose reply came.
            ranks: of the item, one for each protocol.
            is_first: whether the frozen table comes with it: training counts it apart.
            names_items: whether each says which item it ranked.
        """
        down = self.judged + (self.table if is_first else 0)
        up = NUMBER * (len(ABOUT_RANKS) + names_items + ranks)
        return asked * down + replied * up


def item_rows(model: Recommender, shared: Collection[str]) -> frozenset[str]:
    """Names of the shared parameters with a row per item."""
    items = set(model.item_arrays) & set(shared)
    return frozenset(name for name, _ in model.named_parameters() if name in items)


def traffic_of(
    model: Recommender,
    shared: Collection[str],
    *,
    download: str = "float32",
    upload: str = "float32",
) -> UserTraffic:
    """What a user moves of a model whose ``shared`` parameters travel.

    Args:
        model: of the run.
        shared: names of the parameters that travel.
        download: how weights are sent.
        upload: how an update is sent; each array that is rounded has a scale in float32.
    """
    items = set(model.item_arrays)
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in items}
    sizes = {name: p.numel() for name, p in model.named_parameters() if name in set(shared)}
    per_item = {
        name: (p.numel() // len(p), len(p) - 1)
        for name, p in model.named_parameters()
        if name in sizes and name in items
    }
    dense = sum(size for name, size in sizes.items() if name not in per_item)
    row = sum(width for width, _ in per_item.values())
    num_items = max((count for _, count in per_item.values()), default=0)
    scales = 0 if upload == "float32" else 4 * len(sizes)
    return UserTraffic(
        dense=BYTES[download] * dense,
        row=BYTES[download] * row,
        dense_up=BYTES[upload] * dense + scales,
        row_up=BYTES[upload] * row,
        table=sum(buffer.numel() * buffer.element_size() for buffer in buffers.values()),
        judged=BYTES["float32"] * (dense + num_items * row),
        num_items=num_items,
        rows=frozenset(per_item),
    )


def most_rows(plan: CohortPlan, loss: CohortLoss, targets: np.ndarray) -> np.ndarray:
    """(n,) the most item rows that the training of users can read.

    Args:
        plan: what each user does in a round.
        loss: says which negatives are drawn.
        targets: (n,) of one pass over each user.
    """
    if needs_all_rows(plan, loss):
        return np.full(len(targets), loss.num_items)
    negatives = plan.steps * (loss.own_negatives * targets + loss.shared_negatives)
    return np.asarray(np.minimum(targets + 1 + negatives, loss.num_items))


@dataclass(frozen=True)
class Traffic:
    """Bytes of a try.

    Attributes:
        down: to the clients.
        up: from the clients.
        seen: which users took part so far, a bit for each in hexadecimal; empty for nobody.
    """

    down: int
    up: int
    seen: str = ""


def count_users(
    traffic: UserTraffic,
    population: Population,
    seen: str,
    *,
    asked: Mapping[int, np.ndarray],
    replied: Collection[int],
    read: Mapping[int, TrainReply],
    most: Callable[[np.ndarray], np.ndarray],
) -> Traffic:
    """Bytes that the users of a round move in one try.

    Args:
        traffic: of one user.
        population: all users that can be drawn.
        seen: who took part before.
        asked: partition -> (n,) its users who were asked, ascending.
        replied: partitions whose reply came.
        read: partition -> what its reply says, where that can be read.
        most: rows of users with so many targets (n,), where no reply says.
    """
    down, up = [], []
    for partition, users in asked.items():
        rows = most(population.targets_of(users))
        if partition in read:
            one = read[partition]
            rows[np.searchsorted(users, one.users)] = one.rows
        down.append(rows)
        if partition in replied:
            up.append(rows)
    num_new, seen = _newcomers(population, seen, _joined(asked.values()))
    return Traffic(traffic.down(_joined(down), num_new), traffic.up(_joined(up)), seen)


def _newcomers(population: Population, seen: str, users: np.ndarray) -> tuple[int, str]:
    """How many of ``users`` take part for the first time, and who has by then."""
    packed = bytes.fromhex(seen) if seen else bytes(-(-len(population.users) // 8))
    bits = np.frombuffer(packed, dtype=np.uint8).copy()
    places = population.indices(users)
    byte, mask = places // 8, (128 >> (places % 8)).astype(np.uint8)
    num_new = int(((bits[byte] & mask) == 0).sum())
    np.bitwise_or.at(bits, byte, mask)
    return num_new, bits.tobytes().hex()


def _joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
