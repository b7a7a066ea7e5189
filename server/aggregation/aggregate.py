"""Aggregation of a round: the strategy turns the accepted replies into the next weights."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from flwr.app import ArrayRecord, MetricRecord, RecordDict

from fedrec import protocol
from fedrec.errors import FedrecError, ParticipationError
from fedrec.models.parameters import NamedArrays
from server.aggregation.lora_products import round_error
from server.aggregation.moved import MovedArray
from server.aggregation.sparse_rows import row_scales, scale_rows
from server.replies.train import TrainReply
from server.state.context import ServerContext
from server.state.server_state import AcceptedReply, ServerState


def aggregate(
    context: ServerContext, state: ServerState, round: int, replies: Mapping[int, TrainReply]
) -> tuple[float, int]:
    """Aggregate ``w + update`` in float64 by the strategy; its weights become the server's.

    Flower averages in the dtype it is given; the server casts once, when it sends.

    Args:
        context: Context of the run, with the strategy.
        state: State of the server; it gets the new weights.
        round: Number of the round.
        replies: Partition -> its accepted reply, ascending: float addition is not associative.

    Returns:
        Mean training loss over targets, and the number of targets.

    Raises:
        ParticipationError: The strategy makes no model of these replies.
        FedrecError: The strategy returns other weights than it was given, or NaN.
    """
    messages = []
    scales = row_scales(list(replies.values()))
    for one in replies.values():
        arrays = ArrayRecord()  # which would read the arrays that it is made of
        for name, start in state.weights.items():
            arrays[name] = MovedArray(
                start.shape, partial(_moved, context, one, name, start, scales)
            )
        metrics: dict[str, int | float | list[int] | list[float]] = {
            protocol.NUM_EXAMPLES: one.weight,
            protocol.TRAIN_LOSS: one.loss,
        }
        one.reply.content = RecordDict(
            {protocol.ARRAYS: arrays, protocol.METRICS: MetricRecord(metrics)}
        )
        messages.append(one.reply)
    combined, _ = context.strategy.aggregate_train(round, messages)
    if combined is None:
        raise ParticipationError(f"round {round}: the strategy made no model of the replies")
    weights = {
        name: combined[name].numpy().astype(np.float64)
        for name in state.weights
        if name in combined
    }
    _check(weights, state.weights, round, context.config.strategy.name)
    targets = sum(one.targets for one in replies.values())
    loss = math.fsum(one.loss * one.targets for one in replies.values()) / targets
    state.weights = weights
    state.accepted |= {p: AcceptedReply(round, one.private) for p, one in replies.items()}
    return loss, targets


def _moved(
    context: ServerContext,
    reply: TrainReply,
    name: str,
    start: np.ndarray,
    scales: np.ndarray | None,
) -> np.ndarray:
    """The server's array of a name, moved by the update of a reply."""
    update = scale_rows({name: reply.update[name]}, context.item_rows, scales)
    moved: np.ndarray = start + update[name]
    return moved


def adapters_error(
    context: ServerContext, replies: Sequence[TrainReply], start: NamedArrays
) -> float | None:
    """By how much the aggregate of adapters misses the mean of their products, as a share of it.

    Args:
        context: Context of the run, after the round's aggregation.
        replies: Accepted replies of the round.
        start: Weights that their updates start from.

    Returns:
        None where nothing can be missed: A or B alone is averaged.
    """
    if (found := getattr(context.strategy, "product_error", None)) is not None:
        return float(found)
    moved = [{name: start[name] + one.update[name] for name in start} for one in replies]
    return round_error(moved, np.array([one.weight for one in replies], dtype=np.float64))


def _check(weights: NamedArrays, before: NamedArrays, round: int, strategy: str) -> None:
    """Refuse weights with other names or shapes than before, and NaN."""
    shapes = {name: array.shape for name, array in weights.items()}
    if shapes != {name: array.shape for name, array in before.items()}:
        raise FedrecError(
            f"round {round}: {strategy} gave back other weights than it was given: {shapes}"
        )
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise FedrecError(
                f"round {round}: {strategy} made NaN or infinity of finite weights {name!r}; "
                "look at strategy.options"
            )
