"""Is this reply one that a mean may contain? Each reply is checked before any strategy sees it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol
from fedrec.errors import (
    ConfigError,
    DataError,
    FedrecError,
    MessageError,
    ParticipationError,
    ResourceError,
)
from fedrec.models.parameters import NamedArrays

KINDS: dict[int, type[FedrecError]] = {
    kind.exit_code: kind
    for kind in (MessageError, ConfigError, ParticipationError, DataError, ResourceError)
}
ProblemOf = Callable[[Message, int], str | None]


@dataclass(frozen=True)
class Dropped:
    """A client whose reply was left out, and why."""

    partition: int
    reason: str


@dataclass(frozen=True)
class Sorted:
    """Replies of a round in partition order, and those left out.

    Float addition is not associative and replies arrive in any order: sorting them makes the sum
    the same every time.
    """

    accepted: dict[int, Message] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)


def sort_replies(
    replies: Sequence[Message],
    partition_of_node: Mapping[int, int],
    chosen: Sequence[int],
    problem_of: ProblemOf,
) -> Sorted:
    """Sort replies by partition and leave out the ones with a problem.

    Args:
        replies: as they came.
        partition_of_node: node id -> partition number, from the census.
        chosen: partitions that were asked.
        problem_of: says what is wrong with a reply's content, or nothing.
    """
    accepted: dict[int, Message] = {}
    dropped: list[Dropped] = []
    for reply in sorted(replies, key=lambda r: partition_of_node.get(r.metadata.src_node_id, -1)):
        partition = partition_of_node.get(reply.metadata.src_node_id, -1)
        if partition not in chosen:
            dropped.append(Dropped(partition, "was not asked in this round"))
        elif partition in accepted:
            dropped.append(Dropped(partition, "replied twice"))
        elif problem := failure(reply) or problem_of(reply, partition):
            dropped.append(Dropped(partition, problem))
        else:
            accepted[partition] = reply
    heard = {one.partition for one in dropped} | set(accepted)
    dropped += [Dropped(p, "did not reply in time") for p in chosen if p not in heard]
    return Sorted(accepted, sorted(dropped, key=lambda one: one.partition))


def failure(reply: Message) -> str | None:
    """Why a client could not answer, if it says so."""
    if reply.has_error():
        return f"failed: {reply.error.reason or 'without a reason'}"
    facts = reply.content.config_records.get(protocol.FACTS)
    if facts is None:
        return "sent no facts about itself"
    return str(facts["error"]) if "error" in facts else None


def raise_failure(reply: Message) -> None:
    """Raise what a client says went wrong, as the kind of error that it was there."""
    reason = failure(reply)
    if reason is not None:
        raise KINDS.get(_exit_code(reply), FedrecError)(reason)


def raise_shared_failure(replies: Sequence[Message]) -> None:
    """Raise the first client's error if all of them failed for a reason of the run's own.

    A config or data that no client can work with is the user's to change, and trying again or
    waiting for others would hide it behind a lack of participants.
    """
    codes = {_exit_code(reply) for reply in replies}
    if len(codes) == 1 and codes <= {ConfigError.exit_code, DataError.exit_code}:
        raise_failure(replies[0])


def _exit_code(reply: Message) -> int:
    """Exit code of the error that a client reports; 0 if it reports none."""
    if failure(reply) is None:
        return 0
    facts = reply.content.config_records.get(protocol.FACTS) if reply.has_content() else None
    code = 1 if facts is None else facts.get("exit-code", 1)
    return code if isinstance(code, int) else 1


def training_problem(
    reply: Message, *, sent: NamedArrays, round: int, partition: int, declared: int
) -> str | None:
    """What is wrong with a train reply, or nothing.

    Args:
        reply: from a client that says it succeeded.
        sent: the weights that it was sent.
        round: number of this round.
        partition: that of the node.
        declared: training targets it declared in the census.
    """
    content = reply.content
    facts = content.config_records[protocol.FACTS]
    if facts.get(protocol.ROUND) != round:
        return f"answers round {facts.get(protocol.ROUND)!r} instead of {round}"
    if facts.get(protocol.PARTITION) != partition:
        return f"says it is partition {facts.get(protocol.PARTITION)!r}"
    names = (set(content.array_records), set(content.metric_records))
    if names != ({protocol.ARRAYS}, {protocol.METRICS}):
        return "lacks the record of weights or of metrics, or has more"
    metrics = content.metric_records[protocol.METRICS]
    examples, loss = metrics.get(protocol.NUM_EXAMPLES), metrics.get(protocol.TRAIN_LOSS)
    if type(examples) is not int or examples != declared:
        return f"num-examples is {examples!r}, declared were {declared}"
    trained = metrics.get(protocol.TRAINED_TARGETS)
    if type(trained) is not int or trained < 1:
        return f"trained-targets is {trained!r}, expected 1 or more"
    if not isinstance(loss, float) or not math.isfinite(loss):
        return f"its training loss is {loss!r}"
    return weights_problem(content.array_records[protocol.ARRAYS], sent)


def weights_problem(arrays: Mapping[str, Array], sent: NamedArrays) -> str | None:
    """What is wrong with the weights of a reply against those that were sent."""
    if set(arrays) != set(sent):
        return f"its weights {sorted(set(arrays) ^ set(sent))} are on one side only"
    for name, array in arrays.items():
        weights = _read(array)
        if weights is None:
            return f"its weights {name!r} cannot be read as an array"
        if weights.dtype != np.float32:
            return f"its weights {name!r} are {weights.dtype}, not float32"
        if weights.shape != sent[name].shape:
            return f"its weights {name!r} have shape {weights.shape}, not {sent[name].shape}"
        if not np.isfinite(weights).all():
            return f"its weights {name!r} hold NaN or infinity"
    return None


def ranks_problem(
    reply: Message,
    *,
    round: int,
    users: np.ndarray,
    protocols: Sequence[str],
    num_items: int,
) -> str | None:
    """What is wrong with an evaluate reply, or nothing.

    Args:
        reply: from a client that says it succeeded.
        round: number of this round.
        users: (U,) the partition's users, as declared in the census.
        protocols: under which it was asked for ranks.
        num_items: V.
    """
    said = reply.content.config_records[protocol.FACTS].get(protocol.ROUND)
    if said != round:
        return f"answers round {said!r} instead of {round}"
    record = reply.content.array_records.get(protocol.RANKS)
    if record is None:
        return "lacks the record of ranks"
    arrays = {name: _read(array) for name, array in record.items()}
    per_user = ["users", "targets", "candidates", "events", "gates"]
    per_user += ["personal"] if "personal" in arrays else []
    for name in [*per_user, *(f"rank/{one}" for one in protocols)]:
        array = arrays.get(name)
        if array is None or array.shape[:1] != users.shape or array.dtype.kind not in "iuf":
            return f"its array {name!r} is missing or not one row for each of {len(users)} users"
    if not np.array_equal(arrays["users"], users):  # type: ignore[arg-type]  # checked above
        return "its 'users' are not those that it declared"
    for name, array in arrays.items():
        low, high = (
            (1, num_items) if name.startswith(("rank/", "targets", "personal")) else (0, None)
        )
        if array is None or not _within(array, low, high):
            return f"its array {name!r} holds numbers that cannot be"
    return None


def _within(array: np.ndarray, low: int, high: int | None) -> bool:
    """Whether all numbers are finite and in range."""
    good = np.isfinite(array) & (array >= low)
    return bool(good.all() and (high is None or (array <= high).all()))


def _read(array: Array) -> np.ndarray | None:
    """The array in a message, or nothing where its bytes are not one; nothing is unpickled."""
    try:
        return array.numpy()
    except (TypeError, ValueError, EOFError, OSError):
        return None


def first_reason(dropped: Sequence[Dropped]) -> str:
    """The first of the reasons, for a message."""
    return f"partition {dropped[0].partition} {dropped[0].reason}" if dropped else "none"
