"""Evaluate: ask clients for ranks, put them together, keep the best round's weights."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord, Message, MessageType, RecordDict

from fedrec import protocol
from fedrec.data.splits import Stage
from fedrec.errors import ParticipationError
from fedrec.evaluation.gates import are_told
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_record
from server.evaluation.metrics import Judged, judged, round_metrics
from server.messages.exchange import array_bytes, exchange
from server.replies.outcome import (
    Dropped,
    error_of,
    first_reason,
    refuse_dead_workers,
    shared_exit_code,
    sort_replies,
)
from server.replies.ranks import read_ranks
from server.sampling.population import chosen_partitions, enough
from server.state import Federation, State, as_sent
from server.traffic import repliers

SELECTING = "NDCG@10"  # the validation metric that picks the best round


@dataclass(frozen=True)
class Evaluation:
    """What came of an evaluation.

    Attributes:
        judged: the ranks.
        travelled: bytes of all messages, both ways; where every user is a client, as a deployment
            would send them: the model to each user of the partitions that are asked, its ranks
            back. Sums of gate weights, which come once, at the end, are no part of it.
        dropped: who gave no ranks, and why.
    """

    judged: Judged
    travelled: int
    dropped: list[Dropped]


def evaluate(
    federation: Federation,
    state: State,
    *,
    occasion: str,
    number: int,
    stage: Stage,
    scorer: str | None = None,
    weights: NamedArrays | None = None,
    protocols: Sequence[str],
    fraction: float = 1.0,
) -> Evaluation:
    """Ask clients for ranks.

    Args:
        federation: who, how and with what.
        state: for the weights, unless others are given.
        occasion: what this evaluation is called on record.
        number: of the round.
        stage: "validation" or "test".
        scorer: such as "popularity" instead of the federation's own.
        weights: the best ones, to evaluate instead of the current ones.
        protocols: how ranks are made.
        fraction: share of the clients that is asked.

    Raises:
        ParticipationError: too few sent ranks that can be used.
        FedrecError: the clients' own, where all report the same kind.
    """
    census, plan = federation.census, federation.config.federation
    # The same clients every time: rounds judged on different users could not be compared.
    chosen = chosen_partitions(
        census.partitions, fraction, seed=federation.config.seed, round=0, purpose="evaluate"
    )
    absent = federation.absences.of_evaluation(occasion, chosen)
    records: dict[str, Any] = {
        protocol.FREQUENCY: array_record({protocol.FREQUENCY: federation.frequency})
    }
    scorer = scorer or federation.scorer
    if scorer == "model":
        shared = state.weights if weights is None else weights
        records[protocol.ARRAYS] = array_record(as_sent(shared))
    # The best weights go with the private files of their time.
    accepted = state.accepted if weights is None else state.best_accepted
    messages = []
    for partition in chosen:
        if partition in absent:
            continue
        config = federation.message_config(number, partition, state, accepted) | {
            protocol.STAGE: stage,
            protocol.SCORER: scorer,
            protocol.PROTOCOLS: ",".join(protocols),
        }
        content = RecordDict(records | {protocol.CONFIG: ConfigRecord(config)})
        messages.append(Message(content, census.node_of[partition], MessageType.EVALUATE))
    replies = exchange(federation.grid, messages, plan.round_timeout, federation.watch)
    refuse_dead_workers(replies)
    if plan.unit == "user" and scorer == "model":
        replied = repliers(replies, census.partition_of) & set(chosen)
        travelled = federation.traffic.evaluation(
            sum(len(census.users[p]) for p in chosen if p not in absent),
            sum(len(census.users[p]) for p in replied),
            ranks=len(protocols),
            is_first=number == 0,
            names_items=plan.share_counts,
        )
    else:
        travelled = sum(array_bytes(message.content) for message in messages)
        travelled += sum(array_bytes(reply.content) for reply in replies if reply.has_content())

    num_views = federation.num_views if scorer == "model" else 0
    is_private = scorer == "model" and federation.config.model.is_personalised

    def read(reply: Message, partition: int) -> NamedArrays:
        return read_ranks(
            reply,
            round=number,
            partition=partition,
            users=census.users[partition],
            protocols=protocols,
            num_items=len(federation.frequency) - 1,
            num_gates=num_views if are_told(stage, num_views) else 0,
            personal=is_private and partition in accepted,
            names_items=plan.share_counts,
        )

    found = sort_replies(replies, census.partition_of, chosen, read, absent)
    state.note_traceback(found.dropped)
    needed = enough(plan.min_participation, len(chosen))
    if len(found.accepted) < needed:
        code, reason = shared_exit_code(found.dropped), first_reason(found.dropped)
        left_out = {occasion: [one.record("evaluate") for one in found.dropped]}
        if code != 1 and not found.accepted:
            raise error_of(code, reason, left_out)
        raise error_of(
            ParticipationError.exit_code,
            f"evaluation in round {number}: {len(found.accepted)} of {len(chosen)} clients sent "
            f"ranks, {needed} are needed; first reason: {reason}",
            left_out,
        )
    return Evaluation(judged(found.accepted, protocols), travelled, found.dropped)


def judge_round(federation: Federation, state: State, line: dict[str, Any]) -> dict[str, Any]:
    """Evaluate the current weights on validation items and keep them if they are the best."""
    config = federation.config
    start = time.monotonic()
    main = config.evaluation.main_protocol
    found = evaluate(
        federation,
        state,
        occasion=f"evaluate {line['round']}",
        number=line["round"],
        stage="validation",
        protocols=[main],
        fraction=config.federation.evaluate_fraction,
    )
    line |= round_metrics(found.judged, main, config.evaluation.cutoffs, config.federation.unit)
    line["dropped"] = line["dropped"] + [one.record("evaluate") for one in found.dropped]
    line["bytes_evaluate"] = found.travelled
    line["seconds"]["evaluate"] = time.monotonic() - start
    line["seconds"]["total"] += line["seconds"]["evaluate"]
    state.elapsed += line["seconds"]["evaluate"]
    line["elapsed"] = state.elapsed
    value = line["validation"][SELECTING]
    line["best"] = value > state.best_value
    if line["best"]:
        state.best_value, state.best_round, state.stale = value, line["round"], 0
        state.best, state.best_accepted = dict(state.weights), dict(state.accepted)
    else:
        state.stale += 1
    return line
