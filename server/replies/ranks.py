"""Is this reply one that the metrics may contain? What ranks it holds, or why it is left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol
from fedrec.evaluation.gates import BUCKETS, KINDS
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in
from server.evaluation.metrics import candidates_of
from server.replies.outcome import RejectedReply
from server.replies.train import check_origin

LARGEST = 2**31 - 1  # of a whole number that nothing else bounds
ROUNDING = 1e-3  # a mean of float32 weights may exceed 1 by a little


@dataclass(frozen=True)
class _Field:
    """What the numbers of one array may be: kinds of dtype, the dtype they are kept in, range."""

    kinds: str
    dtype: type[np.number]
    low: float
    high: float


def validate_ranks_reply(
    reply: Message,
    *,
    round: int,
    partition: int,
    users: np.ndarray,
    protocols: Sequence[str],
    num_items: int,
    num_gates: int,
    personal: bool,
    names_items: bool,
) -> NamedArrays:
    """The arrays of an evaluate reply.

    Args:
        reply: from a client that says it succeeded.
        round: number of this round.
        partition: that of the node.
        users: (U,) the partition's users, as declared in the registration.
        protocols: under which it was asked for ranks.
        num_items: V.
        num_gates: views whose summed weights come with the ranks; 0: none come.
        personal: whether the client has a personalised model to rank with.
        names_items: whether it says which items were ranked (``federation.share-counts``).

    Raises:
        RejectedReply: it does not answer this round, or its ranks cannot be.
    """
    check_origin(reply.content.config_records[protocol.FACTS], round, partition)
    record = reply.content.array_records.get(protocol.RANKS)
    if record is None:
        raise RejectedReply("lacks the record of ranks")
    fields = _fields(protocols, num_items, personal, names_items)
    expected = set(fields) | ({protocol.GATES} if num_gates else set())
    if set(record) != expected:
        raise RejectedReply(f"its arrays {sorted(set(record) ^ expected)} are on one side only")
    found: NamedArrays = {}
    for name, field in fields.items():
        array = array_in(record[name])
        if array is None or array.dtype.kind not in field.kinds:
            raise RejectedReply(f"its array {name!r} cannot be read as numbers of its kind")
        if array.shape != users.shape:
            raise RejectedReply(
                f"its array {name!r} has shape {array.shape}, not one row for each of "
                f"{len(users)} users"
            )
        # False for NaN, too.
        if not ((array >= field.low) & (array <= field.high)).all():
            raise RejectedReply(f"its array {name!r} holds numbers that cannot be")
        found[name] = array.astype(field.dtype)
    if num_gates:
        found[protocol.GATES] = _read_gates(
            record[protocol.GATES], num_gates, int(found[protocol.EVENTS].sum())
        )
    if not np.array_equal(found[protocol.USER_NUMBERS], users):
        raise RejectedReply("its 'users' are not those that it declared")
    _check_ranks(found, protocols)
    return found


def _fields(
    protocols: Sequence[str], num_items: int, personal: bool, names_items: bool
) -> dict[str, _Field]:
    """The arrays that a reply must hold."""
    rank = _Field("iuf", np.float64, 1, num_items)
    fields = {
        protocol.USER_NUMBERS: _Field("iu", np.int64, 0, LARGEST),
        protocol.CANDIDATES: _Field("iu", np.int64, 1, num_items),
        protocol.EVENTS: _Field("iu", np.int64, 1, LARGEST),
    }
    fields |= {protocol.rank_array(name): rank for name in protocols}
    if names_items:
        fields[protocol.HELD_OUT_ITEMS] = _Field("iu", np.int64, 1, num_items)
    return fields | ({protocol.PERSONAL_RANKS: rank} if personal else {})


def _read_gates(sent: Array, num_gates: int, events: int) -> np.ndarray:
    """Sums (3, 32, 1 + N) of gate weights over no more positions than there are events."""
    array = array_in(sent)
    if array is None or array.dtype.kind != "f":
        raise RejectedReply("its array 'gates' cannot be read as numbers of its kind")
    expected = (len(KINDS), BUCKETS, 1 + num_gates)
    if array.shape != expected:
        raise RejectedReply(f"its array 'gates' has shape {array.shape}, expected {expected}")
    counts, sums = array[..., :1], array[..., 1:]
    # False for NaN, too.
    is_whole = (counts >= 0) & (counts <= events) & (counts == np.floor(counts))
    can_be = is_whole.all() and ((sums >= 0) & (sums <= counts * (1 + ROUNDING))).all()
    if not can_be or (counts.sum(axis=(1, 2)) > events).any():
        raise RejectedReply("its array 'gates' holds numbers that cannot be")
    return array.astype(np.float64)


def _check_ranks(found: NamedArrays, protocols: Sequence[str]) -> None:
    """No rank lies beyond the candidates: the metrics would refuse all ranks for one."""
    named = [(protocol.rank_array(name), name) for name in protocols]
    named += [(protocol.PERSONAL_RANKS, protocols[0])] if protocol.PERSONAL_RANKS in found else []
    for key, name in named:
        if (found[key] > candidates_of(name, found[protocol.CANDIDATES])).any():
            raise RejectedReply(f"its array {key!r} holds ranks beyond the candidates")
