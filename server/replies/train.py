"""Is this reply one that a mean may contain? What is in it, or the reason why it is left out.

Each reply is read by itself; ``outliers`` then compares those that passed, where a partition is a
client. Users are held against their bounds where they train.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in
from fedrec.training.bounds import LARGEST_LOSS, norm_of
from server.replies.outcome import Excluded, RejectedReply

PRIVATE = re.compile(r"([0-9a-f]{64})?")


def _nobody() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class TrainReply:
    """What a client's reply to a train message says.

    Attributes:
        reply: the message itself, for the strategy.
        update: its weights minus those that were sent, float64, where the difference is exact.
        loss: mean over its training targets.
        targets: that it trained on, in all passes.
        private: sha256 of the private file it wrote, or empty.
        weight: in the mean over clients: its training targets, as declared in the registration.
        clients: whose update this is: 1, or where every user is a client the number of users in the
            sum, which may be 0.
        excluded: users that are not in it, and why.
        users: (n,) its users, also those left out, where every user is a client; else empty.
        rows: (n,) item rows that each of them read.
        touched: (V + 1,) weight of those who read each row; empty if it was not asked for.
    """

    reply: Message
    update: NamedArrays
    loss: float
    targets: int
    private: str
    weight: int
    clients: int = 1
    excluded: Sequence[Excluded] = ()
    users: np.ndarray = field(default_factory=_nobody)
    rows: np.ndarray = field(default_factory=_nobody)
    touched: np.ndarray = field(default_factory=_nobody)

    def norm(self) -> float:
        """Euclidean length of the update."""
        return norm_of(self.update.values())


def validate_train_reply(
    reply: Message,
    *,
    sent: NamedArrays,
    round: int,
    partition: int,
    declared: int,
    most_targets: int,
) -> TrainReply:
    """What a train reply says.

    Args:
        reply: from a client that says it succeeded.
        sent: the weights that it was sent, float32.
        round: number of this round.
        partition: that of the node.
        declared: training targets it declared in the registration.
        most_targets: that its local passes or steps can have.

    Raises:
        RejectedReply: it does not answer this round, or says something that cannot be.
    """
    content = reply.content
    facts = content.config_records[protocol.FACTS]
    check_origin(facts, round, partition)
    private = facts.get(protocol.PRIVATE, "")
    if not isinstance(private, str) or not PRIVATE.fullmatch(private):
        raise RejectedReply("names its private file by something else than a sha256")
    names = (set(content.array_records), set(content.metric_records))
    if names != ({protocol.ARRAYS}, {protocol.METRICS}):
        raise RejectedReply("lacks the record of weights or of metrics, or has more")
    metrics = content.metric_records[protocol.METRICS]
    examples, loss = metrics.get(protocol.NUM_EXAMPLES), metrics.get(protocol.TRAIN_LOSS)
    if type(examples) is not int or examples != declared:
        raise RejectedReply(f"num-examples is {examples!r}, declared were {declared}")
    trained = metrics.get(protocol.TRAINED_TARGETS)
    if type(trained) is not int or not 1 <= trained <= most_targets:
        raise RejectedReply(f"trained-targets is {trained!r}, expected 1 to {most_targets}")
    loss = checked_loss(loss)
    weights = read_weights(content.array_records[protocol.ARRAYS], sent)
    update = {name: array.astype(np.float64) - sent[name] for name, array in weights.items()}
    return TrainReply(reply, update, loss, trained, private, declared)


def read_weights(
    arrays: Mapping[str, Array], sent: NamedArrays, dtype: np.dtype[np.floating] | None = None
) -> NamedArrays:
    """The weights of a reply, or its sum of updates, in the order of those that were sent.

    Args:
        arrays: as they came.
        sent: the weights that the client was sent.
        dtype: that they must have, if not that of what was sent.
    """
    if set(arrays) != set(sent):
        raise RejectedReply(f"its weights {sorted(set(arrays) ^ set(sent))} are on one side only")
    found = {}
    for name, start in sent.items():
        weights = array_in(arrays[name])
        if weights is None:
            raise RejectedReply(f"its weights {name!r} cannot be read as an array")
        wanted = dtype or start.dtype
        if weights.dtype != wanted:
            raise RejectedReply(f"its weights {name!r} are {weights.dtype}, not {wanted}")
        if weights.shape != start.shape:
            raise RejectedReply(
                f"its weights {name!r} have shape {weights.shape}, not {start.shape}"
            )
        if not np.isfinite(weights).all():
            raise RejectedReply(f"its weights {name!r} hold NaN or infinity")
        found[name] = weights
    return found


def checked_loss(loss: object) -> float:
    """A training loss, refused if it cannot be one."""
    if not isinstance(loss, float) or not 0 <= loss <= LARGEST_LOSS:
        raise RejectedReply(
            f"its training loss is {loss!r}, expected a number from 0 to {LARGEST_LOSS:g}"
        )
    return loss


def check_origin(facts: Mapping[str, object], round: int, partition: int) -> None:
    """Refuse a reply to another round's message, or of another partition."""
    said = facts.get(protocol.ROUND)
    if type(said) is not int or said != round:
        raise RejectedReply(f"answers round {said!r} instead of {round}")
    said = facts.get(protocol.PARTITION)
    if type(said) is not int or said != partition:
        raise RejectedReply(f"says it is partition {said!r}")
