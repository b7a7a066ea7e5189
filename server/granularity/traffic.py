"""Bytes that a round moves to and from one-user clients, as a deployment would send them.

A simulation hands whole arrays to a process that plays many users. A user's device would get the
dense weights, the item rows that its training reads (its own items, and the negatives that all
share), and once the frozen table; it would send back the same arrays without the table.

A user that was sent the model has got its download, and one that responded has sent its update,
whether or not that was aggregated: users whose training diverged, whose partition's reply is
rejected, or whose round is tried again are counted in each attempt. A simulated dropout comes
before the download, and moves nothing. Of users whose own number of rows does not arrive, the most
rows that their training can read are counted: the server knows their targets, not their items.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass

import numpy as np

from fedrec.models.recommender import Recommender
from fedrec.training.cohort.loss import CohortLoss, needs_all_rows
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.updates.quantization import BYTES
from server.replies.train import TrainReply
from server.sampling.population import Population

ROW_INDEX = 4  # bytes of an item's index, where rows are named one by one
NUMBER = 8  # bytes of a rank, and of each number that comes with it
WITH_RANKS = ("user", "candidates", "events")


@dataclass(frozen=True, kw_only=True)
class UserTraffic:
    """Bytes that one user moves.

    Attributes:
        dense: Bytes of the shared weights that belong to no item, down.
        row: Bytes of an item's shared rows, down.
        dense_up: Bytes of the update of the dense weights.
        row_up: Bytes of the update of an item's rows.
        table: Bytes of the frozen tables, which travel once.
        evaluation: Bytes of all shared weights in float32, down to a user whose held-out item is
            ranked.
        num_items: V, rows of the catalogue without padding; 0 where nothing has a row per item.
        item_rows: Names of the shared parameters with a row per item.
    """

    dense: int = 0
    row: int = 0
    dense_up: int = 0
    row_up: int = 0
    table: int = 0
    evaluation: int = 0
    num_items: int = 0
    item_rows: frozenset[str] = frozenset()

    def index_bytes(self, rows: np.ndarray) -> int:
        """Bytes of the item indices of so many rows (n,) of n users.

        0 where the whole catalogue travels; else an index each, or a bit for every item of the
        catalogue where that is shorter.
        """
        if not self.row:
            return 0
        each = np.minimum(ROW_INDEX * rows, -(-self.num_items // 8))
        return int(each[rows != self.num_items].sum())

    def down(self, rows: np.ndarray, num_new: int) -> int:
        """Bytes to n users who read so many rows (n,), ``num_new`` of them for the first time."""
        arrays = len(rows) * self.dense + int(rows.sum()) * self.row
        return arrays + self.index_bytes(rows) + num_new * self.table

    def up(self, rows: np.ndarray) -> int:
        """Bytes from n users who read so many rows (n,)."""
        return len(rows) * self.dense_up + int(rows.sum()) * self.row_up + self.index_bytes(rows)

    def evaluation_bytes(
        self,
        sent_to: int,
        responded: int,
        *,
        num_ranks: int,
        is_first: bool,
        names_items: bool,
    ) -> int:
        """Bytes to users who rank their held-out item among the catalogue, and back.

        Args:
            sent_to: Number of users that are sent the model.
            responded: Number of users among them whose reply came.
            num_ranks: Ranks of the item, one for each protocol.
            is_first: Whether the frozen table travels too: training counts it apart.
            names_items: Whether each reply names the item that it ranked.
        """
        down = self.evaluation + (self.table if is_first else 0)
        up = NUMBER * (len(WITH_RANKS) + names_items + num_ranks)
        return sent_to * down + responded * up


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
    """Bytes that a user moves of a model whose ``shared`` parameters travel.

    Args:
        model: Model of the run.
        shared: Names of its shared parameters.
        download: Type of the weights that are sent, as ``federation.download``; in int8 each row
            has a scale in float32, and each array of one axis.
        upload: Type of the updates, as ``federation.upload``; each quantized array has a scale in
            float32.
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
    dense_scales = row_scales = 0
    if download == "int8":
        parameters = dict(model.named_parameters())
        shapes = [parameters[name].shape for name in sizes if name not in per_item]
        dense_scales = 4 * sum(shape[0] if len(shape) > 1 else 1 for shape in shapes)
        row_scales = 4 * len(per_item)
    return UserTraffic(
        dense=BYTES[download] * dense + dense_scales,
        row=BYTES[download] * row + row_scales,
        dense_up=BYTES[upload] * dense + scales,
        row_up=BYTES[upload] * row,
        table=sum(buffer.numel() * buffer.element_size() for buffer in buffers.values()),
        evaluation=BYTES["float32"] * (dense + num_items * row),
        num_items=num_items,
        item_rows=frozenset(per_item),
    )


def max_rows(plan: CohortPlan, loss: CohortLoss, targets: np.ndarray) -> np.ndarray:
    """Upper bounds (n,) of the item rows that the training of users reads.

    Args:
        plan: Local training of each user in a round.
        loss: Loss, which determines the negatives that are drawn.
        targets: (n,) Training targets of one pass over each user.
    """
    if needs_all_rows(plan, loss):
        return np.full(len(targets), loss.num_items)
    negatives = plan.steps * (loss.own_negatives * targets + loss.shared_negatives)
    return np.asarray(np.minimum(targets + 1 + negatives, loss.num_items))


@dataclass(frozen=True)
class Traffic:
    """Bytes of one attempt of a round.

    Attributes:
        down: Bytes to the clients.
        up: Bytes from the clients.
        participants: Users who took part so far, a bit for each in hexadecimal; empty for none.
    """

    down: int
    up: int
    _: KW_ONLY
    participants: str = ""


def count_users(
    traffic: UserTraffic,
    population: Population,
    participants: str,
    *,
    sent_to: Mapping[int, np.ndarray],
    responded: Collection[int],
    accepted: Mapping[int, TrainReply],
    max_rows: Callable[[np.ndarray], np.ndarray],
) -> Traffic:
    """Count the bytes that the users of a round move in one attempt.

    Args:
        traffic: Bytes that one user moves.
        population: All users that can be sampled.
        participants: Users who took part before, as ``Traffic.participants``.
        sent_to: Partition -> (n,) its users that were sent the model, ascending.
        responded: Partitions whose reply came.
        accepted: Partition -> its reply, where that passed validation.
        max_rows: Upper bounds (n,) of the rows that users with so many targets (n,) read, where no
            reply tells the number.
    """
    down, up = [], []
    for partition, users in sent_to.items():
        rows = max_rows(population.targets_of(users))
        if partition in accepted:
            one = accepted[partition]
            rows[np.searchsorted(users, one.users)] = one.rows
        down.append(rows)
        if partition in responded:
            up.append(rows)
    num_new, participants = _add_participants(population, participants, _joined(sent_to.values()))
    return Traffic(
        traffic.down(_joined(down), num_new), traffic.up(_joined(up)), participants=participants
    )


def _add_participants(
    population: Population, participants: str, users: np.ndarray
) -> tuple[int, str]:
    """Number of ``users`` who take part for the first time, and all participants by then."""
    packed = bytes.fromhex(participants) if participants else bytes(-(-len(population.users) // 8))
    bits = np.frombuffer(packed, dtype=np.uint8).copy()
    indices = population.indices(users)
    byte, mask = indices // 8, (128 >> (indices % 8)).astype(np.uint8)
    num_new = int(((bits[byte] & mask) == 0).sum())
    np.bitwise_or.at(bits, byte, mask)
    return num_new, bits.tobytes().hex()


def _joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
