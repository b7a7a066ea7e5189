"""Outcome of an exchange: accepted replies in partition order, excluded clients with the reason.

Replies arrive in any order, and float addition is not associative: they are sorted by partition
before anything is summed. Validation of their contents is in ``server/replies/train.py``.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, TypeVar

from flwr.app import ArrayRecord, Message

from fedrec import protocol
from fedrec.errors import (
    ConfigError,
    DataError,
    FedrecError,
    MessageError,
    ParticipationError,
    ResourceError,
)
from server.sampling.unavailable import DROPPED_OUT, NOT_ASKED, REPLIED_TWICE, STRAGGLED

T = TypeVar("T")

# How Flower names, in the reason of an error, what Ray raised to it.
DEAD_WORKER = re.compile(r"ray\.exceptions\.(?:RayActor|Actor|Worker|Node|Object)\w*Error")

KINDS: dict[int, type[FedrecError]] = {
    kind.exit_code: kind
    for kind in (MessageError, ConfigError, ParticipationError, DataError, ResourceError)
}
# What the user must change: another attempt would hide it.
NOT_RETRIED = {ConfigError.exit_code, DataError.exit_code}
LONGEST_REASON, LONGEST_TRACEBACK = 600, 20_000  # characters of a client's text


class RejectedReply(Exception):  # noqa: N818  # the term of this package, never seen by a user
    """A reply failed its validation; the message is the reason."""


@dataclass(frozen=True)
class Excluded:
    """A client that is excluded from a round or an evaluation.

    Attributes:
        partition: Number of the partition; -1 for an unknown node.
        reason: Reason in one line.
        exit_code: Exit code of the error that the client reports, 1 for anything else.
        traceback: Traceback of an exception in the client, else empty.
        user: User that is excluded from its partition's reply, where every user is a client; else
            none.
    """

    partition: int
    reason: str
    _: KW_ONLY
    exit_code: int = 1
    traceback: str = ""
    user: int | None = None

    def record(self, doing: str) -> dict[str, Any]:
        """The record in rounds.jsonl or run.json: ``doing`` is train, evaluate or register."""
        who = {} if self.user is None else {"user": self.user}
        return {"partition": self.partition, **who, "reason": self.reason, "while": doing}


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
    asked = set(sampled) - set(unavailable or {})
    by_partition: dict[int, list[Message]] = {}
    for reply in replies:
        partition = partition_of_node.get(reply.metadata.src_node_id, -1)
        by_partition.setdefault(partition, []).append(reply)
    for partition, (first, *others) in sorted(by_partition.items()):
        if partition not in asked:
            excluded += [Excluded(partition, NOT_ASKED)] * (1 + len(others))
            continue
        if any(_digest(other) != _digest(first) for other in others):
            # Which of them came first is chance: none can be trusted.
            excluded.append(Excluded(partition, "replied more than once, each time something else"))
            continue
        excluded += [Excluded(partition, REPLIED_TWICE)] * len(others)
        try:
            accepted[partition] = _validated(first, partition, validate)
        except RejectedReply as rejection:
            reason = _printable(str(rejection), LONGEST_REASON)
            excluded.append(
                Excluded(
                    partition, reason, exit_code=exit_code_of(first), traceback=_traceback(first)
                )
            )
    known = {one.partition for one in excluded} | set(accepted)
    excluded += [Excluded(p, STRAGGLED) for p in asked if p not in known]
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


def failure(reply: Message) -> str | None:
    """Reason of a failure that a client reports; none if it reports success."""
    if reply.has_error():
        return f"failed: {reply.error.reason or 'without a reason'}"
    facts = reply.content.config_records.get(protocol.FACTS)
    if facts is None:
        return "sent no facts about itself"
    return str(facts[protocol.ERROR]) if protocol.ERROR in facts else None


def responded_partitions(
    replies: Iterable[Message], partition_of_node: Mapping[int, int]
) -> set[int]:
    """Partitions whose reply came in time and reports no failure, whether or not it is valid."""
    return {
        partition_of_node.get(reply.metadata.src_node_id, -1)
        for reply in replies
        if not failure(reply)
    }


def raise_dead_worker(replies: Sequence[Message]) -> None:
    """End the run when Flower's simulation reports that one of its workers died.

    It cannot start another: the dead one goes back into its pool and fails every later client task
    that it gets, so all further rounds would have fewer clients than the run asks for.

    Raises:
        ParticipationError: A worker died; the message names an engine that replaces workers.
    """
    for reply in replies:
        if reply.has_error() and (found := DEAD_WORKER.search(reply.error.reason or "")):
            raise ParticipationError(
                f"a worker of Flower's simulation died ({found[0]}), and it cannot start another; "
                "`--engine ray` replaces workers that die"
            )


def raise_failure(reply: Message) -> None:
    """Raise the failure that a client reports, as the kind of error that it was there.

    Raises:
        FedrecError: The client reports a failure.
    """
    reason = failure(reply)
    if reason is not None:
        raise error_of(exit_code_of(reply), _printable(reason, LONGEST_REASON))


def error_of(
    exit_code: int, reason: str, excluded: Mapping[str, list[dict[str, Any]]] | None = None
) -> FedrecError:
    """Make the error of an exit code, as ``fedrec.errors`` lists them.

    Args:
        exit_code: Exit code of the command line.
        reason: Message of the error.
        excluded: Attempt or evaluation that failed -> its excluded clients, for run.json.
    """
    error = KINDS.get(exit_code, FedrecError)(reason)
    error.excluded = excluded or {}
    return error


def shared_exit_code(excluded: Sequence[Excluded]) -> int:
    """Exit code that all excluded clients report; 1 where they disagree."""
    codes = {one.exit_code for one in excluded}
    return codes.pop() if len(codes) == 1 else 1


def first_reason(excluded: Sequence[Excluded]) -> str:
    """First of the reasons, for a message; a simulated dropout only if there is no other."""
    if not excluded:
        return "none"
    first = next((one for one in excluded if one.reason != DROPPED_OUT), excluded[0])
    if first.user is None:
        return f"partition {first.partition} {first.reason}"
    return f"user {first.user} of partition {first.partition}: {first.reason}"


def num_diverged(excluded: Sequence[Excluded]) -> int:
    """Number of users that were excluded because their training diverged."""
    return sum(one.user is not None and one.reason != DROPPED_OUT for one in excluded)


def _facts(reply: Message) -> Mapping[str, Any]:
    if not reply.has_content():
        return {}
    return reply.content.config_records.get(protocol.FACTS) or {}


def exit_code_of(reply: Message) -> int:
    """Exit code of the error that a client reports; 1 if it reports none."""
    code = _facts(reply).get(protocol.EXIT_CODE, 1)
    return code if isinstance(code, int) else 1


def _traceback(reply: Message) -> str:
    return _printable(str(_facts(reply).get(protocol.TRACEBACK, "")), LONGEST_TRACEBACK, keep="\n")


def _printable(text: str, longest: int, keep: str = "") -> str:
    """Shorten a client's text and remove control characters, for logs, tables and terminals."""
    shown = "".join(c if c.isprintable() or c in keep else " " for c in text[:longest])
    return shown if len(text) <= longest else f"{shown} ..."


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
