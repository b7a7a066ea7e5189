"""The federation as a loop: select, send, collect, check, sort, aggregate, evaluate, record.

The round is ours, the aggregation is Flower's: any ``Strategy`` is used through its public verbs.
The server keeps the weights in float64, hands the strategy ``w + update`` in float64 and casts
once, when it sends: Flower averages in the dtype it is given.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message, MessageType, MetricRecord, RecordDict

from fedrec import protocol
from fedrec.errors import ParticipationError
from server.evaluation import judge_round
from server.exchange import OnlyThese, array_bytes, exchange
from server.replies import (
    Sorted,
    first_reason,
    raise_shared_failure,
    sort_replies,
    training_problem,
)
from server.selection import chosen_partitions, enough
from server.state import Federation, State, array_record, as_sent, empty_line


def federate(
    federation: Federation, state: State, record: Callable[[dict[str, Any], State], None]
) -> State:
    """Train for the configured rounds, or until validation stops getting better.

    Args:
        federation: who, how and with what.
        state: weights to start from; changed in place.
        record: called with each line of rounds.jsonl, round 0 first.

    Raises:
        ParticipationError: too few usable replies in a round, twice.
    """
    plan = federation.config.federation
    record(judge_round(federation, state, empty_line(0)), state)
    rounds = plan.rounds if federation.scorer == "model" else 0
    for number in range(1, rounds + 1):
        line = train_round(federation, state, number)
        if number % plan.evaluate_every == 0 or number == plan.rounds:
            line = judge_round(federation, state, line)
        record(line, state)
        if plan.patience and state.stale >= plan.patience:
            break
    return state


def train_round(federation: Federation, state: State, number: int) -> dict[str, Any]:
    """One round of training; changes ``state`` and returns its line."""
    plan, census = federation.config.federation, federation.census
    start = time.monotonic()
    chosen = chosen_partitions(
        census.partitions,
        plan.fraction,
        seed=federation.config.seed,
        round=number,
        purpose="select",
    )
    needed = enough(plan.min_participation, len(chosen))
    line = empty_line(number) | {"chosen": chosen}
    for _ in range(2):  # a round that fails is tried once more; the model stays as it was
        sorted_replies, bytes_down, bytes_up = _ask(federation, state, number, chosen)
        line["bytes_down"] += bytes_down
        line["bytes_up"] += bytes_up
        if len(sorted_replies.accepted) >= needed:
            break
    else:
        raise ParticipationError(
            f"round {number}: {len(sorted_replies.accepted)} of {len(chosen)} clients sent a "
            f"usable reply, {needed} are needed (federation.min-participation = "
            f"{plan.min_participation}); first reason: {first_reason(sorted_replies.dropped)}"
        )
    trained = time.monotonic()
    loss, targets = _aggregate(federation, state, number, sorted_replies)
    done = time.monotonic()
    state.elapsed += done - start
    state.targets += targets
    state.megabytes += (line["bytes_down"] + line["bytes_up"]) / 1e6
    line |= {
        "used": sorted(sorted_replies.accepted),
        "dropped": [vars(one) for one in sorted_replies.dropped],
        "train_loss": loss,
        "targets": targets,
        "passes": state.targets / census.total_targets,
        "elapsed": state.elapsed,
        "megabytes": state.megabytes,
    }
    line["seconds"] |= {
        "train": trained - start,
        "aggregate": done - trained,
        "total": done - start,
    }
    return line


def _ask(
    federation: Federation, state: State, number: int, chosen: Sequence[int]
) -> tuple[Sorted, int, int]:
    """Send the weights to the chosen clients; return sorted replies and bytes down and up."""
    census = federation.census
    sent = as_sent(state.weights)
    arrays = array_record(sent)
    frequency = array_record({protocol.FREQUENCY: federation.frequency})
    nodes = [census.node_of[partition] for partition in chosen]
    partition_of = census.partition_of
    drafts = federation.strategy.configure_train(
        number, array_record(state.weights), ConfigRecord(), OnlyThese(federation.grid, nodes)
    )
    messages = []
    for draft in drafts:
        node = draft.metadata.dst_node_id
        config = dict(draft.content.config_records[protocol.CONFIG])
        config |= federation.message_config(number, partition_of[node], state)
        content = RecordDict(
            {
                protocol.ARRAYS: arrays,
                protocol.FREQUENCY: frequency,
                protocol.CONFIG: ConfigRecord(config),
            }
        )
        messages.append(Message(content, node, MessageType.TRAIN))
    bytes_down = sum(array_bytes(message.content) for message in messages)
    replies = exchange(federation.grid, messages, federation.config.federation.round_timeout)
    bytes_up = sum(array_bytes(reply.content) for reply in replies if reply.has_content())
    raise_shared_failure(replies)

    def problem(reply: Message, partition: int) -> str | None:
        declared = census.targets[partition]
        return training_problem(
            reply, sent=sent, round=number, partition=partition, declared=declared
        )

    return sort_replies(replies, partition_of, chosen, problem), bytes_down, bytes_up


def _aggregate(
    federation: Federation, state: State, number: int, replies: Sorted
) -> tuple[float, int]:
    """Hand ``w + update`` to the strategy and keep what it returns; mean loss and targets."""
    sent = as_sent(state.weights)
    loss, targets = 0.0, 0
    for reply in replies.accepted.values():
        received = reply.content.array_records[protocol.ARRAYS]
        moved = {
            # In float64 the difference of two float32 numbers is exact.
            name: start + (received[name].numpy().astype(np.float64) - sent[name])
            for name, start in state.weights.items()
        }
        metrics = reply.content.metric_records[protocol.METRICS]
        own_targets = int(metrics[protocol.TRAINED_TARGETS])  # type: ignore[arg-type]  # by protocol
        loss += float(metrics[protocol.TRAIN_LOSS]) * own_targets  # type: ignore[arg-type]  # as above
        targets += own_targets
        kept = {key: metrics[key] for key in (protocol.NUM_EXAMPLES, protocol.TRAIN_LOSS)}
        reply.content = RecordDict(
            {protocol.ARRAYS: array_record(moved), protocol.METRICS: MetricRecord(kept)}
        )
    combined, _ = federation.strategy.aggregate_train(number, list(replies.accepted.values()))
    if combined is None:
        raise ParticipationError(f"round {number}: the strategy made no model of the replies")
    state.weights = {name: combined[name].numpy().astype(np.float64) for name in state.weights}
    state.accepted |= dict.fromkeys(replies.accepted, number)
    return loss / targets, targets
