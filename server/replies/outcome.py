"""Outcome of an exchange: accepted replies in partition order, excluded clients with the reason.

Replies arrive in any order, and float addition is not associative: they are sorted by partition
before anything is summed. Validation of their contents is in ``server/replies/train.py``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from flwr.app import ArrayRecord, Message

from server.messages.failures import LONGEST_REASON, exit_code_of, failure, printable, traceback_of
from server.sampling.excluded import NOT_SAMPLED, REPLIED_TWICE, STRAGGLED, Excluded

T = TypeVar("T")


class RejectedReply(Exception):  # noqa: N818  # the term of this package, never seen by a user
    """A reply failed its validation; the message is the reason."""


@dataclass(frozen=True)
class SortedReplies(Generic[T]):
    """Accepted replies, by partition in ascending order, and excluded clients."""

    accepted: dict[int, T] = field(default_factory=dict)
    excluded: list[Excluded] = field(default_factory=list)

    def without(self, reasons: Mapping[int, str]) -> "SortedReplies[T]":
        """Exclude further partitions, for these reasons."""
        accepted = {p: one for p, one in self.accepted.items() if p not in reasons}
        more = [Excluded(p, reason) for p, reason in reasons.items()]
        return SortedReplies(accepted, _ordered([*self.excluded, *more]))

    def and_excluded(self, more: Sequence[Excluded]) -> "SortedReplies[T]":
        """Add clients that are excluded."""
        return SortedReplies(self.accepted, _ordered([*self.excluded, *more]))


def sort_replies(
    replies: Sequence[Message],
    partition_of_node: Mapping[int, int],
    sampled: Sequence[int],
    validate: Callable[[Message, int], T],
    unavailable: Mapping[int, str] | None = None,
) -> SortedReplies[T]:
    """Validate replies in partition order; exclude rejected ones and stragglers.

    Args:
        replies: Replies in the order of their arrival.
        partition_of_node: Node id -> partition number, from the registration.
        sampled: Sampled partitions.
        validate: Validates a reply of a partition and returns its content; raises
            ``RejectedReply``.
        unavailable: Sampled partitions that were sent no message, with the reason.
    """
    accepted: dict[int, T] = {}
    excluded = [Excluded(p, reason) for p, reason in (unavailable or {}).items()]
    expected = set(sampled) - set(unavailable or {})
    by_partition: dict[int, list[Message]] = {}
    for reply in replies:
        partition = partition_of_node.get(reply.metadata.src_node_id, -1)
        by_partition.setdefault(partition, []).append(reply)
    for partition, (first, *others) in sorted(by_partition.items()):
        if partition not in expected:
            excluded += [Excluded(partition, NOT_SAMPLED)] * (1 + len(others))
            continue
        if any(_digest(other) != _digest(first) for other in others):
            # Which of them came first is chance: none can be trusted.
            excluded.append(Excluded(partition, "replied more than once, each time something else"))
            continue
        excluded += [Excluded(partition, REPLIED_TWICE)] * len(others)
        try:
            accepted[partition] = _validated(first, partition, validate)
        except RejectedReply as rejection:
            reason = printable(str(rejection), LONGEST_REASON)
            excluded.append(
                Excluded(
                    partition, reason, exit_code=exit_code_of(first), traceback=traceback_of(first)
                )
            )
    known = {one.partition for one in excluded} | set(accepted)
    excluded += [Excluded(p, STRAGGLED) for p in expected if p not in known]
    return SortedReplies(accepted, _ordered(excluded))


def _ordered(excluded: list[Excluded]) -> list[Excluded]:
    return sorted(
        excluded, key=lambda one: (one.partition, one.reason, -1 if one.user is None else one.user)
    )


def _validated(reply: Message, partition: int, validate: Callable[[Message, int], T]) -> T:
    if reason := failure(reply):
        raise RejectedReply(reason)
    try:
        return validate(reply, partition)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        # Records and values of any type may travel: one that no check expects is no bug of the run.
        raise RejectedReply(f"cannot be read: {type(error).__name__}: {error}") from None


def _digest(reply: Message) -> str:
    """Digest of a reply's content, without its message id."""
    digest = hashlib.sha256(repr(reply.error if reply.has_error() else "").encode())
    for name, record in sorted(reply.content.items() if reply.has_content() else ()):
        digest.update(f"{name!r} {type(record).__name__}".encode())
        if isinstance(record, ArrayRecord):
            for key, array in record.items():
                told = (key, array.dtype, array.shape, array.stype, len(array.data))
                digest.update(repr(told).encode() + array.data)
        else:
            digest.update(repr(sorted(record.items())).encode())
    return digest.hexdigest()
