"""Is this reply one that a mean may contain? What is in it, or the reason why it is left out.

Each reply is read by itself; ``outliers`` then compares those that passed, where a partition is a
client. Users are held against their bounds where they train.
"""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in
from fedrec.training.bounds import LARGEST_LOSS, norm_of
from server.replies.outcome import Dropped, RefusedError

HARMLESS = 1e-4  # times the norm of the weights: a median below it counts as this much
PRIVATE = re.compile(r"([0-9a-f]{64})?")


def _nobody() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Trained:
    """What a client's reply to a train message says.

    Attributes:
        reply: the message itself, for the strategy.
        update: its weights minus those that were sent, float64, where the difference is exact.
        loss: mean over its training targets.
        targets: that it trained on, in all passes.
        private: sha256 of the private file it wrote, or empty.
        weight: in the mean over clients: its training targets, as declared in the census.
        clients: whose update this is: 1, or where every user is a client the number of users in the
            sum, which may be 0.
        left_out: users that are not in it, and why.
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
    left_out: Sequence[Dropped] = ()
    users: np.ndarray = field(default_factory=_nobody)
    rows: np.ndarray = field(default_factory=_nobody)
    touched: np.ndarray = field(default_factory=_nobody)

    def norm(self) -> float:
        """Euclidean length of the update."""
        return norm_of(self.update.values())


def read_training(
    reply: Message,
    *,
    sent: NamedArrays,
    round: int,
    partition: int,
    declared: int,
    most_targets: int,
) -> Trained:
    """What a train reply says.

    Args:
        reply: from a client that says it succeeded.
        sent: the weights that it was sent, float32.
        round: number of this round.
        partition: that of the node.
        declared: training targets it declared in the census.
        most_targets: that its local passes or steps can have.

    Raises:
        RefusedError: it does not answer this round, or says something that cannot be.
    """
    content = reply.content
    facts = content.config_records[protocol.FACTS]
    check_origin(facts, round, partition)
    private = facts.get(protocol.PRIVATE, "")
    if not isinstance(private, str) or not PRIVATE.fullmatch(private):
        raise RefusedError("names its private file by something else than a sha256")
    names = (set(content.array_records), set(content.metric_records))
    if names != ({protocol.ARRAYS}, {protocol.METRICS}):
        raise RefusedError("lacks the record of weights or of metrics, or has more")
    metrics = content.metric_records[protocol.METRICS]
    examples, loss = metrics.get(protocol.NUM_EXAMPLES), metrics.get(protocol.TRAIN_LOSS)
    if type(examples) is not int or examples != declared:
        raise RefusedError(f"num-examples is {examples!r}, declared were {declared}")
    trained = metrics.get(protocol.TRAINED_TARGETS)
    if type(trained) is not int or not 1 <= trained <= most_targets:
        raise RefusedError(f"trained-targets is {trained!r}, expected 1 to {most_targets}")
    loss = checked_loss(loss)
    weights = read_weights(content.array_records[protocol.ARRAYS], sent)
    update = {name: array.astype(np.float64) - sent[name] for name, array in weights.items()}
    return Trained(reply, update, loss, trained, private, declared)


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
        raise RefusedError(f"its weights {sorted(set(arrays) ^ set(sent))} are on one side only")
    found = {}
    for name, start in sent.items():
        weights = array_in(arrays[name])
        if weights is None:
            raise RefusedError(f"its weights {name!r} cannot be read as an array")
        wanted = dtype or start.dtype
        if weights.dtype != wanted:
            raise RefusedError(f"its weights {name!r} are {weights.dtype}, not {wanted}")
        if weights.shape != start.shape:
            raise RefusedError(
                f"its weights {name!r} have shape {weights.shape}, not {start.shape}"
            )
        if not np.isfinite(weights).all():
            raise RefusedError(f"its weights {name!r} hold NaN or infinity")
        found[name] = weights
    return found


def outliers(replies: Mapping[int, Trained], sent: NamedArrays, limit: float) -> dict[int, str]:
    """Partitions whose update or loss is out of all proportion, with the reason.

    A number is out of proportion beyond ``limit`` times the round's median: fewer than half of the
    clients cannot move that. Noise adds up with the root of the steps, so a client that trained on
    more targets than the median may go further by the root of that ratio. (Where a Dirichlet draw
    gave one client 62 times the median's targets, its updates were 8 times as long with Adam and
    22 times with SGD.) Where liars are the majority, or alone, an update is also held against the
    weights themselves. What would hardly move the weights is never left out.

    Args:
        replies: partition -> what was read.
        sent: the weights that the updates start from.
        limit: ``federation.outlier-limit``.
    """
    if not replies:
        return {}
    size = norm_of(sent.values())
    norms = {partition: one.norm() for partition, one in replies.items()}
    # The lower of two in the middle: of two clients, a liar must not be half of the measure. An
    # update of zeros measures nothing.
    usual_norm = statistics.median_low([norm for norm in norms.values() if norm] or [0.0])
    usual_loss = statistics.median_low([one.loss for one in replies.values()])
    usual_targets = statistics.median_low([one.targets for one in replies.values()])
    found = {}
    for partition, one in replies.items():
        further = math.sqrt(max(1.0, one.targets / usual_targets))
        largest = limit * min(max(usual_norm * further, HARMLESS * size), max(size, 1.0))
        if norms[partition] > largest:
            found[partition] = (
                f"its update has norm {norms[partition]:.3g}, the round's median is "
                f"{usual_norm:.3g} (federation.outlier-limit = {limit:g})"
            )
        elif one.loss > limit * max(usual_loss, 1.0):
            found[partition] = (
                f"its training loss is {one.loss:.3g}, the round's median is {usual_loss:.3g} "
                f"(federation.outlier-limit = {limit:g})"
            )
    return found


def checked_loss(loss: object) -> float:
    """A training loss, refused if it cannot be one."""
    if not isinstance(loss, float) or not 0 <= loss <= LARGEST_LOSS:
        raise RefusedError(
            f"its training loss is {loss!r}, expected a number from 0 to {LARGEST_LOSS:g}"
        )
    return loss


def check_origin(facts: Mapping[str, object], round: int, partition: int) -> None:
    """Refuse a reply to another round's message, or of another partition."""
    said = facts.get(protocol.ROUND)
    if type(said) is not int or said != round:
        raise RefusedError(f"answers round {said!r} instead of {round}")
    said = facts.get(protocol.PARTITION)
    if type(said) is not int or said != partition:
        raise RefusedError(f"says it is partition {said!r}")
