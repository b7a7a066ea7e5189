"""The federation as a loop: select, send, collect, check, sort, aggregate, evaluate, record.

The round is ours, the aggregation is Flower's: any ``Strategy`` is used through its public verbs.
The server keeps the weights in float64, hands the strategy ``w + update`` in float64 and casts
once, when it sends: Flower averages in the dtype it is given.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedrec import protocol
from fedrec.config import Config, names_in
from fedrec.data.splits import Stage
from fedrec.errors import ParticipationError
from fedrec.models.parameters import NamedArrays
from server.census import Census
from server.exchange import OnlyThese, array_bytes, exchange
from server.judging import Judged, judged, round_metrics
from server.replies import Dropped, Sorted, sort_replies, training_problem
from server.selection import chosen_partitions

SELECTING = "NDCG@10"  # the validation metric that picks the best round


@dataclass
class State:
    """What a round changes.

    Attributes:
        weights: shared weights, float64.
        accepted: partition -> round of its last used reply.
        best: weights of the best round so far.
        best_round: its number.
        best_value: its validation NDCG@10.
        stale: evaluations since then.
        elapsed: seconds spent in rounds.
        targets: training targets used so far.
        megabytes: training traffic so far.
    """

    weights: NamedArrays
    accepted: dict[int, int] = field(default_factory=dict)
    best: NamedArrays = field(default_factory=dict)
    best_round: int = 0
    best_value: float = -1.0
    stale: int = 0
    elapsed: float = 0.0
    targets: int = 0
    megabytes: float = 0.0


@dataclass(frozen=True)
class Federation:
    """What stays the same over all rounds.

    Attributes:
        grid: carries the messages.
        strategy: aggregates.
        config: of the run.
        census: who is there.
        token: names the clients' private files of this run.
        frequency: (V + 1,) int64 training events per item over all clients, zeros if not shared.
    """

    grid: Grid
    strategy: Strategy
    config: Config
    census: Census
    token: str
    frequency: np.ndarray

    def message_config(self, round: int, partition: int, state: State) -> dict[str, Any]:
        """What every message to a partition says beside its arrays."""
        return {
            protocol.FORMAT_KEY: protocol.FORMAT,
            protocol.CODE: protocol.code_fingerprint(),
            protocol.TOKEN: self.token,
            protocol.ROUND: round,
            protocol.LAST_ACCEPTED: state.accepted.get(partition, 0),
        }


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
    record(_judge_round(federation, state, _empty_line(0)), state)
    for number in range(1, plan.rounds + 1):
        line = train_round(federation, state, number)
        if number % plan.evaluate_every == 0 or number == plan.rounds:
            line = _judge_round(federation, state, line)
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
    needed = max(1, math.ceil(plan.min_participation * len(chosen)))
    line = _empty_line(number) | {"chosen": chosen}
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
            f"{plan.min_participation}); first reason: {_first_reason(sorted_replies.dropped)}"
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
    line["seconds"] |= {"train": trained - start, "aggregate": done - trained, "total": done - start}
    return line


def _ask(
    federation: Federation, state: State, number: int, chosen: Sequence[int]
) -> tuple[Sorted, int, int]:
    """Send the weights to the chosen clients; return sorted replies and bytes down and up."""
    census = federation.census
    sent = {name: array.astype(np.float32) for name, array in state.weights.items()}
    arrays = array_record(sent)
    frequency = array_record({protocol.FREQUENCY: federation.frequency})
    nodes = [census.node_of[partition] for partition in chosen]
    partition_of = {node: partition for partition, node in census.node_of.items()}
    drafts = federation.strategy.configure_train(
        number, array_record(state.weights), ConfigRecord(), OnlyThese(federation.grid, nodes)
    )
    messages = []
    for draft in drafts:
        node = draft.metadata.dst_node_id
        config = dict(draft.content.config_records[protocol.CONFIG])
        config |= federation.message_config(number, partition_of[node], state)
        records = {
            protocol.ARRAYS: arrays,
            protocol.FREQUENCY: frequency,
            protocol.CONFIG: ConfigRecord(config),
        }
        messages.append(Message(RecordDict(records), node, MessageType.TRAIN))
    bytes_down = sum(array_bytes(message.content) for message in messages)
    replies = exchange(federation.grid, messages, federation.config.federation.round_timeout)
    bytes_up = sum(array_bytes(reply.content) for reply in replies if reply.has_content())

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
    sent = {name: array.astype(np.float32) for name, array in state.weights.items()}
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


def evaluate(
    federation: Federation,
    state: State,
    *,
    number: int,
    stage: Stage,
    scorer: str = "model",
    weights: NamedArrays | None = None,
    protocols: Sequence[str],
    fraction: float = 1.0,
    is_last: bool = False,
) -> tuple[Judged, int, list[Dropped]]:
    """Ask clients for ranks; return them, the bytes that travelled, and who gave none.

    Args:
        federation: who, how and with what.
        state: for the weights, unless others are given.
        number: of the round.
        stage: "validation" or "test".
        scorer: "model", "popularity" or "best-possible".
        weights: to evaluate instead of the current ones.
        protocols: how ranks are made.
        fraction: share of the clients that is asked.
        is_last: tell clients that they may forget their private files.
    """
    census, plan = federation.census, federation.config.federation
    chosen = chosen_partitions(
        census.partitions, fraction, seed=federation.config.seed, round=number, purpose="evaluate"
    )
    shared = state.weights if weights is None else weights
    records: dict[str, Any] = {protocol.FREQUENCY: array_record({protocol.FREQUENCY: federation.frequency})}
    if scorer == "model":
        records[protocol.ARRAYS] = array_record(
            {name: array.astype(np.float32) for name, array in shared.items()}
        )
    messages = []
    for partition in chosen:
        config = federation.message_config(number, partition, state) | {
            protocol.STAGE: stage,
            protocol.SCORER: scorer,
            protocol.PROTOCOLS: ",".join(protocols),
            "is-last": is_last,
        }
        content = RecordDict(records | {protocol.CONFIG: ConfigRecord(config)})
        messages.append(Message(content, census.node_of[partition], MessageType.EVALUATE))
    replies = exchange(federation.grid, messages, plan.round_timeout)
    travelled = sum(array_bytes(message.content) for message in messages)
    travelled += sum(array_bytes(reply.content) for reply in replies if reply.has_content())
    partition_of = {node: partition for partition, node in census.node_of.items()}
    found = sort_replies(replies, partition_of, chosen, lambda reply, partition: None)
    needed = max(1, math.ceil(plan.min_participation * len(chosen)))
    if len(found.accepted) < needed:
        raise ParticipationError(
            f"evaluation in round {number}: {len(found.accepted)} of {len(chosen)} clients sent "
            f"ranks, {needed} are needed; first reason: {_first_reason(found.dropped)}"
        )
    return judged(found.accepted), travelled, found.dropped


def _judge_round(federation: Federation, state: State, line: dict[str, Any]) -> dict[str, Any]:
    """Evaluate the current weights on validation items and keep them if they are the best."""
    config = federation.config
    start = time.monotonic()
    main = names_in(config.evaluation.protocol)[0]
    found, travelled, dropped = evaluate(
        federation,
        state,
        number=line["round"],
        stage="validation",
        protocols=[main],
        fraction=config.federation.evaluate_fraction,
    )
    line |= round_metrics(found, main, config.evaluation.cutoffs)
    line["dropped"] = line["dropped"] + [vars(one) for one in dropped]
    line["bytes_evaluate"] = travelled
    line["seconds"]["evaluate"] = time.monotonic() - start
    line["seconds"]["total"] += line["seconds"]["evaluate"]
    state.elapsed += line["seconds"]["evaluate"]
    line["elapsed"] = state.elapsed
    value = line["validation"][SELECTING]
    line["best"] = value > state.best_value
    if line["best"]:
        state.best_value, state.best_round, state.stale = value, line["round"], 0
        state.best = dict(state.weights)
    else:
        state.stale += 1
    return line


def array_record(arrays: Mapping[str, np.ndarray]) -> ArrayRecord:
    """Named arrays as Flower carries them."""
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def _first_reason(dropped: Sequence[Dropped]) -> str:
    return f"partition {dropped[0].partition} {dropped[0].reason}" if dropped else "none"


def _empty_line(number: int) -> dict[str, Any]:
    return {
        "round": number,
        "seconds": {"train": 0.0, "aggregate": 0.0, "evaluate": 0.0, "total": 0.0},
        "elapsed": 0.0,
        "chosen": [],
        "used": [],
        "dropped": [],
        "train_loss": None,
        "targets": 0,
        "passes": 0.0,
        "bytes_down": 0,
        "bytes_up": 0,
        "bytes_evaluate": 0,
        "megabytes": 0.0,
        "validation": None,
        "clients": None,
        "client_values": None,
        "best": False,
    }
