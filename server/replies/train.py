"""Validation of train replies where a partition is a client, and the checks that all replies share.

Each reply is validated by itself; ``outliers`` then compares those that passed. (Where every user
is a client, users are checked against their bounds where they train.)
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Array, Message, RecordDict

from fedrec import protocol
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in
from fedrec.training.updates.bounds import LARGEST_LOSS, norm_of
from server.messages.records import unexpected_records
from server.replies.differences import Differences
from server.replies.outcome import RejectedReply
from server.sampling.excluded import Excluded

PRIVATE = re.compile(r"([0-9a-f]{64})?")


def _no_users() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class TrainReply:
    """A validated reply to a train message.

    Attributes:
        reply: Message of the client, for the strategy.
        update: Weights of the client minus those that it was sent, float64, where the difference is
            exact.
        loss: Mean training loss over its targets.
        targets: Number of targets that it trained on, in all passes.
        private: Sha256 of the private file that it wrote; empty if it wrote none.
        weight: Weight in the mean over clients: its training targets, as declared in the
            registration.
        clients: Number of clients in the update: 1, or where every user is a client the number of
            users in the sum, which may be 0.
        excluded: Users that are not in the update, with the reason.
        users: (n,) Its users, also the excluded ones, where every user is a client; else empty.
        rows: (n,) Number of item rows that each of these users read.
        row_weights: (V + 1,) Summed weight of the users who read each item's row; empty without
            sparse averaging.
    """

    reply: Message
    update: Mapping[str, np.ndarray]
    loss: float
    targets: int
    private: str
    weight: int
    clients: int = 1
    excluded: Sequence[Excluded] = ()
    users: np.ndarray = field(default_factory=_no_users)
    rows: np.ndarray = field(default_factory=_no_users)
    row_weights: np.ndarray = field(default_factory=_no_users)

    def norm(self) -> float:
        """Euclidean norm of the update."""
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
    """Validate a train reply of a partition.

    Args:
        reply: Reply of a client that reports success.
        sent: Weights that it was sent, float32.
        round: Number of the round.
        partition: Partition of the node that sent it.
        declared: Training targets that it declared in the registration.
        most_targets: Upper bound of the training targets of its local epochs or steps.

    Raises:
        RejectedReply: It belongs to another round (staleness) or holds impossible values.
    """
    content = reply.content
    metadata = content.config_records[protocol.METADATA]
    check_origin(metadata, round, partition)
    private = metadata.get(protocol.PRIVATE, "")
    if not isinstance(private, str) or not PRIVATE.fullmatch(private):
        raise RejectedReply("names its private file by something else than a sha256")
    check_records(content, protocol.ARRAYS, protocol.METRICS, protocol.METADATA)
    metrics = content.metric_records[protocol.METRICS]
    examples, loss = metrics.get(protocol.NUM_EXAMPLES), metrics.get(protocol.TRAIN_LOSS)
    if type(examples) is not int or examples != declared:
        raise RejectedReply(f"num-examples is {examples!r}, declared were {declared}")
    trained = metrics.get(protocol.TRAINED_TARGETS)
    if type(trained) is not int or not 1 <= trained <= most_targets:
        raise RejectedReply(f"trained-targets is {trained!r}, expected 1 to {most_targets}")
    loss = checked_loss(loss)
    arrays = content.array_records[protocol.ARRAYS]
    read_weights(arrays, sent)
    return TrainReply(
        reply=reply,
        update=Differences(arrays, sent),
        loss=loss,
        targets=trained,
        private=private,
        weight=declared,
    )


def read_weights(
    arrays: Mapping[str, Array], sent: NamedArrays, dtype: np.dtype[np.floating] | None = None
) -> NamedArrays:
    """Validate the weights, or the sum of updates, of a reply; return them in ``sent``'s order.

    Args:
        arrays: Arrays of the reply.
        sent: Weights that the client was sent.
        dtype: Type that the arrays must have, if not that of ``sent``.

    Raises:
        RejectedReply: Names, types or shapes differ from ``sent``, or a number is not finite.
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


def check_records(content: RecordDict, *expected: str) -> None:
    """Reject a reply without a record, with a further one, or with too much metadata."""
    if reason := unexpected_records(content, expected):
        raise RejectedReply(reason)


def checked_loss(loss: object) -> float:
    """Validate a training loss."""
    if not isinstance(loss, float) or not 0 <= loss <= LARGEST_LOSS:
        raise RejectedReply(
            f"its training loss is {loss!r}, expected a number from 0 to {LARGEST_LOSS:g}"
        )
    return loss


def check_origin(metadata: Mapping[str, object], round: int, partition: int) -> None:
    """Reject a stale reply, which belongs to another round, and one of another partition."""
    said = metadata.get(protocol.ROUND)
    if type(said) is not int or said != round:
        raise RejectedReply(f"replies to round {said!r} instead of {round}")
    said = metadata.get(protocol.PARTITION)
    if type(said) is not int or said != partition:
        raise RejectedReply(f"says it is partition {said!r}")
