"""Is this reply one that a mean may contain? Each reply is checked before any strategy sees it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Message

from fedrec import protocol
from fedrec.models.parameters import NamedArrays

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
        return f"answers round {facts.get(protocol.ROUND)} instead of {round}"
    if facts.get(protocol.PARTITION) != partition:
        return f"says it is partition {facts.get(protocol.PARTITION)}"
    if set(content.array_records) != {protocol.ARRAYS} or not content.metric_records:
        return "lacks the record of weights or of metrics"
    metrics = next(iter(content.metric_records.values()))
    examples, loss = metrics.get(protocol.NUM_EXAMPLES), metrics.get(protocol.TRAIN_LOSS)
    if type(examples) is not int or examples != declared:
        return f"num-examples is {examples!r}, declared were {declared}"
    if not isinstance(loss, float) or not math.isfinite(loss):
        return f"its training loss is {loss!r}"
    return weights_problem(content.array_records[protocol.ARRAYS], sent)


def weights_problem(arrays: Mapping[str, object], sent: NamedArrays) -> str | None:
    """What is wrong with the weights of a reply against those that were sent."""
    if set(arrays) != set(sent):
        return f"its weights {sorted(set(arrays) ^ set(sent))} are on one side only"
    for name, array in arrays.items():
        weights: np.ndarray = array.numpy()  # type: ignore[attr-defined]  # flwr.app.Array
        if weights.dtype != np.float32:
            return f"its weights {name!r} are {weights.dtype}, not float32"
        if weights.shape != sent[name].shape:
            return f"its weights {name!r} have shape {weights.shape}, not {sent[name].shape}"
        if not np.isfinite(weights).all():
            return f"its weights {name!r} hold NaN or infinity"
    return None


def first_reason(dropped: Sequence[Dropped]) -> str:
    """The first of the reasons, for a message."""
    return f"partition {dropped[0].partition} {dropped[0].reason}" if dropped else "none"
