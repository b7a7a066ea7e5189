"""Validation of evaluate replies: the ranks that the metrics may contain."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol
from fedrec.evaluation.further.positions import FIGURES, WAYS
from fedrec.evaluation.gates import BUCKETS, KINDS, POPULARITY
from fedrec.evaluation.protocols import candidates_of, is_uniform
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in
from server.messages.registration import LARGEST
from server.replies.outcome import RejectedReply
from server.replies.train import check_origin, check_records

ROUNDING = 1e-3  # a mean of float32 weights may exceed 1 by a little


@dataclass(frozen=True, kw_only=True)
class _Field:
    """Valid numbers of one array: kinds of dtype, the dtype they are stored in, their range."""

    kinds: str
    dtype: type[np.number]
    low: float
    high: float
    may_lack: bool = False  # NaN, where candidates cannot be sampled


def validate_ranks_reply(
    reply: Message,
    *,
    round: int,
    partition: int,
    users: np.ndarray,
    protocols: Sequence[str],
    num_items: int,
    num_events: int,
    num_gates: int,
    is_personalised: bool,
    names_items: bool,
    has_positions: bool = False,
    has_jaccard: bool = False,
) -> NamedArrays:
    """Validate the arrays of an evaluate reply.

    Args:
        reply: Reply of a client that reports success.
        round: Number of the round.
        partition: Partition of the node that sent it.
        users: (U,) The partition's users, as declared in the registration.
        protocols: Evaluation protocols of the ranks.
        num_items: V.
        num_events: Events of the data, which all users together cannot exceed.
        num_gates: Number of views whose summed gate weights come with the ranks; 0 if none come.
        is_personalised: Whether the client has a personalised model to rank with.
        names_items: Whether it names the held-out items, as ``Federation.shares_counts`` says.
        has_positions: Whether sums over every position come with the ranks.
        has_jaccard: Whether genres in common come with them.

    Raises:
        RejectedReply: It belongs to another round (staleness) or holds impossible values.
    """
    check_origin(reply.content.config_records[protocol.METADATA], round, partition)
    check_records(reply.content, protocol.RANKS, protocol.METRICS, protocol.METADATA)
    record = reply.content.array_records[protocol.RANKS]
    fields = _fields(protocols, num_items, num_events, is_personalised, names_items)
    further = [protocol.POSITIONS] * has_positions + [protocol.JACCARD] * has_jaccard
    expected = {*fields, *further} | ({protocol.GATES} if num_gates else set())
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
        is_valid = (array >= field.low) & (array <= field.high)
        if field.may_lack:
            is_valid |= np.isnan(array)
        if not is_valid.all():
            raise RejectedReply(f"its array {name!r} holds impossible numbers")
        found[name] = array.astype(field.dtype)
    if (total := found[protocol.EVENTS].sum(dtype=object)) > num_events:
        raise RejectedReply(f"its users have {total} events, the data {num_events}")
    for name in further:
        found[name] = _read_further(record[name], name, found[protocol.EVENTS])
    if num_gates:
        found[protocol.GATES] = _read_gates(
            record[protocol.GATES], num_gates, int(found[protocol.EVENTS].sum())
        )
        if not names_items and found[protocol.GATES][KINDS.index(POPULARITY)].any():
            raise RejectedReply("its array 'gates' has sums by item popularity, which stay with it")
    if not np.array_equal(found[protocol.USER_NUMBERS], users):
        raise RejectedReply("its 'users' are not those that it declared")
    _check_ranks(found, protocols)
    return found


def _fields(
    protocols: Sequence[str],
    num_items: int,
    num_events: int,
    is_personalised: bool,
    names_items: bool,
) -> dict[str, _Field]:
    """Arrays that a reply must hold, by name."""

    def rank(name: str) -> _Field:
        is_sampled = is_uniform(name) or name.startswith("popularity")
        return _Field(kinds="iuf", dtype=np.float64, low=1, high=num_items, may_lack=is_sampled)

    fields = {
        protocol.USER_NUMBERS: _integers(0, LARGEST),
        protocol.CANDIDATES: _integers(1, num_items),
        protocol.EVENTS: _integers(1, num_events),
    }
    fields |= {protocol.rank_array(name): rank(name) for name in protocols}
    if names_items:
        fields[protocol.HELD_OUT_ITEMS] = _integers(1, num_items)
    return fields | ({protocol.PERSONAL_RANKS: rank(protocols[0])} if is_personalised else {})


def _read_further(sent: Array, name: str, events: np.ndarray) -> np.ndarray:
    """Validate sums (n, 2, 6) over at most as many positions as events (n,), or shares (n, 2)."""
    array, is_sums = array_in(sent), name == protocol.POSITIONS
    if array is None or array.dtype.kind != "f":
        raise RejectedReply(f"its array {name!r} cannot be read as numbers of its kind")
    expected = (len(events), len(WAYS), 1 + len(FIGURES)) if is_sums else (len(events), 2)
    if array.shape != expected:
        raise RejectedReply(f"its array {name!r} has shape {array.shape}, expected {expected}")
    # False for NaN, too; an item without genres has none in common.
    if is_sums:
        counts = array[..., :1]
        is_count = (counts == counts[:, :1]) & (counts == np.floor(counts))
        is_valid = is_count & (counts < events[:, None, None]) & (array >= 0) & (array <= counts)
    else:
        is_valid = (array >= 0) & (array <= 1) | np.isnan(array).all(axis=1, keepdims=True)
    if not is_valid.all():
        raise RejectedReply(f"its array {name!r} holds impossible numbers")
    return array.astype(np.float64)


def _integers(low: int, high: int) -> _Field:
    return _Field(kinds="iu", dtype=np.int64, low=low, high=high)


def _read_gates(sent: Array, num_gates: int, events: int) -> np.ndarray:
    """Validate sums (3, 32, 1 + N) of gate weights over at most as many positions as events."""
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
        raise RejectedReply("its array 'gates' holds impossible numbers")
    return array.astype(np.float64)


def _check_ranks(found: NamedArrays, protocols: Sequence[str]) -> None:
    """Reject ranks beyond the candidates: the metrics would refuse all ranks for one of them."""
    named = [(protocol.rank_array(name), name) for name in protocols]
    named += [(protocol.PERSONAL_RANKS, protocols[0])] if protocol.PERSONAL_RANKS in found else []
    for key, name in named:
        if (found[key] > candidates_of(name, found[protocol.CANDIDATES])).any():
            raise RejectedReply(f"its array {key!r} holds ranks beyond the candidates")
        # Who is outside the history follows from the candidates of the full ranking.
        can_be_ranked = found[protocol.CANDIDATES] >= candidates_of(
            name, found[protocol.CANDIDATES]
        )
        if is_uniform(name) and (np.isnan(found[key]) == can_be_ranked).any():
            raise RejectedReply(f"its array {key!r} lacks other ranks than those of few candidates")
