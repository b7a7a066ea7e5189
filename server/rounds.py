"""The federation as a loop: select, send, collect, check, sort, aggregate, evaluate, record.

The round is ours, the aggregation is Flower's: any ``Strategy`` is used through its public verbs.
The server keeps the weights in float64, hands the strategy ``w + update`` in float64 and casts
once, when it sends: Flower averages in the dtype it is given.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message, MessageType, MetricRecord, RecordDict

from fedrec import protocol
from fedrec.config.config import Config
from fedrec.errors import FedrecError, ParticipationError
from fedrec.factory.training import make_cohort_loss, make_cohort_plan
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_record
from server.aggregation.sparse_rows import row_scales, scaled
from server.aggregation.strategies import least_replies
from server.evaluation.evaluate import judge_round
from server.messages.exchange import OnlyThese, array_bytes, exchange
from server.replies.outcome import (
    USERS_OWN,
    Sorted,
    error_of,
    first_reason,
    num_broken,
    refuse_dead_workers,
    shared_exit_code,
    sort_replies,
)
from server.replies.train import Trained, outliers, read_training
from server.replies.train_users import read_users
from server.sampling.cohort import Choice, choose, without_absent
from server.sampling.population import enough
from server.state import Accepted, Federation, State, as_sent, empty_line
from server.traffic import Counted, count_users, most_rows, repliers

ATTEMPTS = 2  # a round that fails is tried once more; the model stays as it was

Record = Callable[[dict[str, Any], State, bool], None]


def federate(federation: Federation, state: State, record: Record, done: int = -1) -> None:
    """Train for the configured rounds, or until validation stops getting better.

    Args:
        federation: who, how and with what.
        state: weights to start from; changed in place.
        record: called with each line of rounds.jsonl, round 0 first, the state after that round,
            and whether it was the last.
        done: last round that the state has behind it, when a run is resumed.

    Raises:
        ParticipationError: too few usable replies in a round, twice.
    """
    plan = federation.config.federation
    if done < 0:
        line = judge_round(federation, state, empty_line(0))
        record(line, state, is_over(federation, state, 0))
    number = max(0, done)
    while not is_over(federation, state, number):
        number += 1
        line = train_round(federation, state, number)
        if number % plan.evaluate_every == 0 or number == plan.rounds:
            line = judge_round(federation, state, line)
        record(line, state, is_over(federation, state, number))


def is_over(federation: Federation, state: State, number: int) -> bool:
    """Whether round ``number`` was the last one."""
    plan = federation.config.federation
    is_stale = bool(plan.patience) and state.stale >= plan.patience
    return federation.scorer != "model" or number >= plan.rounds or is_stale


def train_round(federation: Federation, state: State, number: int) -> dict[str, Any]:
    """One round of training; changes ``state`` and returns its line."""
    start = time.monotonic()
    line = empty_line(number)
    choice = choose(federation, number)
    line["chosen"] = choice.partitions
    accepted = _enough_replies(federation, state, line, choice)
    trained = time.monotonic()
    loss, targets = _aggregate(federation, state, number, accepted)
    done = time.monotonic()
    state.elapsed += done - start
    state.targets += targets
    state.megabytes += (line["bytes_down"] + line["bytes_up"]) / 1e6
    line |= {
        "used": sorted(accepted),
        "train_loss": loss,
        "targets": targets,
        "passes": state.targets / federation.census.total_targets,
        "elapsed": state.elapsed,
        "megabytes": state.megabytes,
        "client_megabytes": state.megabytes / federation.num_clients,
    }
    line["seconds"] |= {
        "train": trained - start - line["seconds"]["check"],
        "aggregate": done - trained,
        "total": done - start,
    }
    return line


def _enough_replies(
    federation: Federation, state: State, line: dict[str, Any], choice: Choice
) -> Mapping[int, Trained]:
    """Usable replies of the chosen clients, asked once more if too few came; fills the line in.

    Raises:
        ParticipationError: too few, twice.
        FedrecError: the clients' own, where all report the same kind.
    """
    number, share = line["round"], federation.config.federation.min_participation
    least = least_replies(federation.strategy)
    needed = max(enough(share, choice.num_clients), least)
    left_out = {}
    for attempt in range(ATTEMPTS):
        asked = _ask(federation, state, number, choice, attempt)
        found = asked.found
        used = sum(one.clients for one in found.accepted.values())
        state.note_traceback(found.dropped)
        line["bytes_down"] += asked.moved.down
        line["bytes_up"] += asked.moved.up
        state.seen = asked.moved.seen
        line["seconds"]["check"] += asked.check_seconds
        if choice.users:
            line["users"] = {"chosen": choice.num_clients, "used": used}
        if used >= needed:
            line["dropped"] = [one.record("train") for one in found.dropped]
            return {p: one for p, one in found.accepted.items() if one.clients}
        line["retried"] = [one.record("train") for one in found.dropped]
        left_out[f"round {number}, try {attempt + 1}"] = line["retried"]
        code, reason = shared_exit_code(found.dropped), first_reason(found.dropped)
        if code in USERS_OWN and not found.accepted:
            break
    if code != 1 and not found.accepted:
        raise error_of(code, reason, left_out)
    why = f"federation.min-participation = {share}"
    if needed == least > 1:
        why = f"strategy.name = {federation.config.strategy.name!r} with its strategy.options"
    broken = num_broken(found.dropped)
    hint = f"; the training of {broken} users broke: lower local.learning-rate" if broken else ""
    raise error_of(
        ParticipationError.exit_code,
        f"round {number}: {used} of {choice.num_clients} clients sent a usable reply, "
        f"{needed} are needed ({why}); first reason: {reason}{hint}",
        left_out,
    )


@dataclass(frozen=True)
class _Asked:
    """What came of asking the chosen clients once."""

    found: Sorted[Trained]
    moved: Counted
    check_seconds: float


def _ask(federation: Federation, state: State, number: int, choice: Choice, attempt: int) -> _Asked:
    """Send the weights to the chosen clients, collect, check and sort their replies."""
    asked, away = without_absent(federation, choice, number, attempt)
    sent = as_sent(state.weights, federation.config.federation.download)
    messages = _messages(federation, state, number, asked, sent)
    timeout = federation.config.federation.round_timeout
    replies = exchange(federation.grid, messages, timeout, federation.watch)
    refuse_dead_workers(replies)
    collected = time.monotonic()
    found = sort_replies(
        replies,
        federation.census.partition_of,
        [*asked.partitions, *away.partitions],
        _reader(federation, number, asked, sent),
        away.partitions,
    )
    moved = _moved(federation, state, asked, messages, replies, found.accepted)
    limit = federation.config.federation.outlier_limit
    if not choice.users:  # users are held against their bounds one by one, where they train
        found = found.without(outliers(found.accepted, sent, limit))
    found = found.and_dropped(away.users).and_dropped(
        [user for one in found.accepted.values() for user in one.left_out]
    )
    return _Asked(found, moved, time.monotonic() - collected)


def _moved(
    federation: Federation,
    state: State,
    asked: Choice,
    messages: Sequence[Message],
    replies: Sequence[Message],
    read: Mapping[int, Trained],
) -> Counted:
    """What travelled: the arrays of all messages, or what users would move in a deployment."""
    if federation.config.federation.unit == "partition":
        return Counted(
            sum(array_bytes(message.content) for message in messages),
            sum(array_bytes(reply.content) for reply in replies if reply.has_content()),
        )
    config = federation.config
    plan = make_cohort_plan(config, proximal_mu=0.0)
    loss = make_cohort_loss(config, len(federation.frequency) - 1)
    return count_users(
        federation.traffic,
        federation.population,
        state.seen,
        asked=asked.users,
        replied=repliers(replies, federation.census.partition_of),
        read=read,
        most=lambda targets: most_rows(plan, loss, targets),
    )


def _reader(
    federation: Federation, number: int, asked: Choice, sent: NamedArrays
) -> Callable[[Message, int], Trained]:
    """What reads the replies of a round."""
    config, declared = federation.config, federation.census.targets
    plan = make_cohort_plan(config, proximal_mu=0.0)  # its pull bears on no check

    def read(reply: Message, partition: int) -> Trained:
        if asked.users:
            return read_users(
                reply,
                sent=sent,
                round=number,
                partition=partition,
                asked=asked.users[partition],
                targets_of=federation.population.targets_of,
                num_items=len(federation.frequency) - 1,
                plan=plan,
                rows=federation.traffic.rows,
                by_row=config.federation.row_mean == "touched",
            )
        return read_training(
            reply,
            sent=sent,
            round=number,
            partition=partition,
            declared=declared[partition],
            most_targets=_most_targets(config, declared[partition]),
        )

    return read


def _messages(
    federation: Federation, state: State, number: int, asked: Choice, sent: NamedArrays
) -> list[Message]:
    """A train message for each asked partition, as the strategy configures it.

    All of them share the records of arrays: an engine may then send those once.
    """
    if not asked.partitions:
        return []
    nodes = [federation.census.node_of[partition] for partition in asked.partitions]
    partition_of = federation.census.partition_of
    arrays = array_record(sent)
    frequency = array_record({protocol.FREQUENCY: federation.frequency})
    messages = []
    for draft in federation.strategy.configure_train(
        number, array_record(state.weights), ConfigRecord(), OnlyThese(federation.grid, nodes)
    ):
        node = draft.metadata.dst_node_id
        config = dict(draft.content.config_records[protocol.CONFIG])
        config |= federation.message_config(number, partition_of[node], state, state.accepted)
        content = RecordDict(
            {
                protocol.ARRAYS: arrays,
                protocol.FREQUENCY: frequency,
                protocol.CONFIG: ConfigRecord(config),
            }
            | asked.records(partition_of[node])
        )
        messages.append(Message(content, node, MessageType.TRAIN))
    return messages


def _most_targets(config: Config, declared: int) -> int:
    """Most training targets that a client's passes, or steps, can have."""
    local = config.local
    if local.steps:
        most = config.most_targets
        return local.steps * (declared if most is None else min(declared, local.batch_size * most))
    return local.epochs * declared


def _aggregate(
    federation: Federation, state: State, number: int, accepted: Mapping[int, Trained]
) -> tuple[float, int]:
    """Hand ``w + update`` to the strategy and keep what it returns; mean loss and targets."""
    replies = []
    scales = row_scales(list(accepted.values()))
    for one in accepted.values():
        update = scaled(one.update, federation.traffic.rows, scales)
        moved = {name: start + update[name] for name, start in state.weights.items()}
        kept: dict[str, int | float | list[int] | list[float]] = {
            protocol.NUM_EXAMPLES: one.weight,
            protocol.TRAIN_LOSS: one.loss,
        }
        one.reply.content = RecordDict(
            {protocol.ARRAYS: array_record(moved), protocol.METRICS: MetricRecord(kept)}
        )
        replies.append(one.reply)
    combined, _ = federation.strategy.aggregate_train(number, replies)
    if combined is None:
        raise ParticipationError(f"round {number}: the strategy made no model of the replies")
    weights = {
        name: combined[name].numpy().astype(np.float64)
        for name in state.weights
        if name in combined
    }
    shapes = {name: array.shape for name, array in weights.items()}
    if shapes != {name: array.shape for name, array in state.weights.items()}:
        raise FedrecError(
            f"round {number}: {federation.config.strategy.name} gave back other weights than it "
            f"was given: {shapes}"
        )
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise FedrecError(
                f"round {number}: {federation.config.strategy.name} made NaN or infinity of finite "
                f"weights {name!r}; look at strategy.options"
            )
    targets = sum(one.targets for one in accepted.values())
    loss = math.fsum(one.loss * one.targets for one in accepted.values()) / targets
    state.weights = weights
    state.accepted |= {p: Accepted(number, one.private) for p, one in accepted.items()}
    return loss, targets
