"""Who answered, in which order, and why was somebody left out?

Replies arrive in any order, and float addition is not associative: they are sorted by partition
before anything is summed. What a reply must look like inside is in ``server/replies/train.py``.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from server.sampling.unavailable import DROPPED_OUT, NOT_ASKED, REPLIED_TWICE

T = TypeVar("T")

# How Flower names, in the reason of an error, what Ray raised to it.
DEAD_WORKER = re.compile(r"ray\.exceptions\.(?:RayActor|Actor|Worker|Node|Object)\w*Error")

KINDS: dict[int, type[FedrecError]] = {
    kind.exit_code: kind
    for kind in (MessageError, ConfigError, ParticipationError, DataError, ResourceError)
}
# What the user must change, not wait for: asking the clients again would hide it.
USERS_OWN = {ConfigError.exit_code, DataError.exit_code}
LONGEST_REASON, LONGEST_TRACEBACK = 600, 20_000  # characters of a client's own words


class RejectedReply(Exception):  # noqa: N818  # the term of this package, never seen by a user
    """A reply cannot be used: raised by its validation, with the reason."""


@dataclass(frozen=True)
class Excluded:
    """A client whose reply was left out.

    Attributes:
        partition: its number; -1 for a node that nobody knows.
        reason: in one line.
        exit_code: of the error that the client reports, 1 for anything else.
        traceback: of an exception in the client, else empty.
        user: the one left out of its partition's reply, where every user is a client; or none.
    """

    partition: int
    reason: str
    exit_code: int = 1
    traceback: str = ""
    user: int | None = None

    def record(self, doing: str) -> dict[str, Any]:
        """As rounds.jsonl says it."""
        who = {} if self.user is None else {"user": self.user}
        return {"partition": self.partition, **who, "reason": self.reason, "while": doing}


@dataclass(frozen=True)
class SortedReplies(Generic[T]):
    """What was read of the replies, in partition order, and those left out."""

    accepted: dict[int, T] = field(default_factory=dict)
    excluded: list[Excluded] = field(default_factory=list)

    def without(self, reasons: Mapping[int, str]) -> "SortedReplies[T]":
        """The same with further partitions left out."""
        kept = {p: one for p, one in self.accepted.items() if p not in reasons}
        out = [Excluded(p, reason) for p, reason in reasons.items()]
        return SortedReplies(kept, _ordered([*self.excluded, *out]))

    def and_excluded(self, more: Sequence[Excluded]) -> "SortedReplies[T]":
        """The same with more that was left out."""
        return SortedReplies(self.accepted, _ordered([*self.excluded, *more]))


def sort_replies(
    replies: Sequence[Message],
    partition_of_node: Mapping[int, int],
    chosen: Sequence[int],
    read: Callable[[Message, int], T],
    absent: Mapping[int, str] | None = None,
) -> SortedReplies[T]:
    """Read replies in partition order and leave out the ones that cannot be used.

    Args:
        replies: as they came.
        partition_of_node: node id -> partition number, from the registration.
        chosen: partitions that take part.
        read: what a reply of a partition says; raises ``RejectedReply``.
        absent: chosen partitions that were not asked, and why.
    """
    accepted: dict[int, T] = {}
    dropped = [Excluded(p, reason) for p, reason in (absent or {}).items()]
    asked = set(chosen) - set(absent or {})
    by_partition: dict[int, list[Message]] = {}
    for reply in replies:
        partition = partition_of_node.get(reply.metadata.src_node_id, -1)
        by_partition.setdefault(partition, []).append(reply)
    for partition, (first, *others) in sorted(by_partition.items()):
        if partition not in asked:
            dropped += [Excluded(partition, NOT_ASKED)] * (1 + len(others))
            continue
        if any(_digest(other) != _digest(first) for other in others):
            # Which of them came first is chance: none can be trusted.
            dropped.append(Excluded(partition, "replied more than once, each time something else"))
            continue
        dropped += [Excluded(partition, REPLIED_TWICE)] * len(others)
        try:
            accepted[partition] = _read(first, partition, read)
        except RejectedReply as refusal:
            code, traceback = exit_code_of(first), _traceback(first)
            reason = _printable(str(refusal), LONGEST_REASON)
            dropped.append(Excluded(partition, reason, code, traceback))
    heard = {one.partition for one in dropped} | set(accepted)
    dropped += [Excluded(p, "did not reply in time") for p in asked if p not in heard]
    return SortedReplies(accepted, _ordered(dropped))


def _ordered(dropped: list[Excluded]) -> list[Excluded]:
    return sorted(
        dropped, key=lambda one: (one.partition, one.reason, -1 if one.user is None else one.user)
    )


def _read(reply: Message, partition: int, read: Callable[[Message, int], T]) -> T:
    if reason := failure(reply):
        raise RejectedReply(reason)
    try:
        return read(reply, partition)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        # Records and values of any type may travel: what no reader foresaw is no bug of the run.
        raise RejectedReply(f"cannot be read: {type(error).__name__}: {error}") from None


def failure(reply: Message) -> str | None:
    """Why a client could not answer, if it says so."""
    if reply.has_error():
        return f"failed: {reply.error.reason or 'without a reason'}"
    facts = reply.content.config_records.get(protocol.FACTS)
    if facts is None:
        return "sent no facts about itself"
    return str(facts[protocol.ERROR]) if protocol.ERROR in facts else None


def repliers(replies: Iterable[Message], partition_of_node: Mapping[int, int]) -> set[int]:
    """Partitions whose reply came, whatever is in it but a failure of their own."""
    return {
        partition_of_node.get(reply.metadata.src_node_id, -1)
        for reply in replies
        if not failure(reply)
    }


def refuse_dead_workers(replies: Sequence[Message]) -> None:
    """End the run when Flower's simulation says that one of its workers died.

    It cannot start another: the dead one goes back into its pool and fails every later turn that
    it gets, so all rounds to come would be of fewer clients than the run asks for.

    Raises:
        ParticipationError: says how to go on.
    """
    for reply in replies:
        if reply.has_error() and (found := DEAD_WORKER.search(reply.error.reason or "")):
            raise ParticipationError(
                f"a worker of Flower's simulation died ({found[0]}), and it cannot start another; "
                "`--engine ray` replaces workers that die"
            )


def raise_failure(reply: Message) -> None:
    """Raise what a client says went wrong, as the kind of error that it was there."""
    reason = failure(reply)
    if reason is not None:
        raise error_of(exit_code_of(reply), _printable(reason, LONGEST_REASON))


def error_of(
    exit_code: int, reason: str, left_out: Mapping[str, list[dict[str, Any]]] | None = None
) -> FedrecError:
    """The error of an exit code, as fedrec.errors lists them.

    Args:
        exit_code: of the command line.
        reason: its message.
        left_out: whose replies were left out of what failed, for run.json.
    """
    error = KINDS.get(exit_code, FedrecError)(reason)
    error.excluded = left_out or {}
    return error


def shared_exit_code(dropped: Sequence[Excluded]) -> int:
    """The exit code that all clients report who were left out; 1 where they disagree."""
    codes = {one.exit_code for one in dropped}
    return codes.pop() if len(codes) == 1 else 1


def first_reason(dropped: Sequence[Excluded]) -> str:
    """The first of the reasons, for a message; a simulated one only if there is no other."""
    if not dropped:
        return "none"
    first = next((one for one in dropped if one.reason != DROPPED_OUT), dropped[0])
    if first.user is None:
        return f"partition {first.partition} {first.reason}"
    return f"user {first.user} of partition {first.partition}: {first.reason}"


def num_broken(dropped: Sequence[Excluded]) -> int:
    """How many users were left out for what their training made."""
    return sum(one.user is not None and one.reason != DROPPED_OUT for one in dropped)


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
    """A client's words as a log, a table and a terminal may show them: short, without controls."""
    shown = "".join(c if c.isprintable() or c in keep else " " for c in text[:longest])
    return shown if len(text) <= longest else f"{shown} ..."


def _digest(reply: Message) -> str:
    """What a reply says, whatever its own number is."""
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
