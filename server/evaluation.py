"""Evaluate a model on the clients: send it, collect ranks, keep the best."""

import time
from collections.abc import Sequence
from typing import Any

from flwr.app import ConfigRecord, Message, MessageType, RecordDict

from fedrec import protocol
from fedrec.data.splits import Stage
from fedrec.errors import ParticipationError
from fedrec.models.parameters import NamedArrays
from server.exchange import array_bytes, exchange
from server.judging import Judged, judged, round_metrics
from server.replies import Dropped, first_reason, raise_shared_failure, ranks_problem, sort_replies
from server.selection import chosen_partitions, enough
from server.state import Federation, State, array_record, as_sent

SELECTING = "NDCG@10"  # the validation metric that picks the best round


def evaluate(
    federation: Federation,
    state: State,
    *,
    number: int,
    stage: Stage,
    scorer: str | None = None,
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
        scorer: "popularity" or "best-possible" instead of the federation's own.
        weights: the best ones, to evaluate instead of the current ones.
        protocols: how ranks are made.
        fraction: share of the clients that is asked.
        is_last: tell clients that they may forget their private files.
    """
    census, plan = federation.census, federation.config.federation
    # The same clients every time: rounds judged on different users could not be compared.
    chosen = chosen_partitions(
        census.partitions, fraction, seed=federation.config.seed, round=0, purpose="evaluate"
    )
    shared = state.weights if weights is None else weights
    records: dict[str, Any] = {
        protocol.FREQUENCY: array_record({protocol.FREQUENCY: federation.frequency})
    }
    scorer = scorer or federation.scorer
    if scorer == "model":
        records[protocol.ARRAYS] = array_record(as_sent(shared))
    messages = []
    for partition in chosen:
        config = federation.message_config(number, partition, state) | {
            protocol.STAGE: stage,
            protocol.SCORER: scorer,
            protocol.PROTOCOLS: ",".join(protocols),
            protocol.IS_LAST: is_last,
        }
        if weights is not None:  # the best ones, with the private files of their time
            config[protocol.LAST_ACCEPTED] = state.best_accepted.get(partition, 0)
        content = RecordDict(records | {protocol.CONFIG: ConfigRecord(config)})
        messages.append(Message(content, census.node_of[partition], MessageType.EVALUATE))
    replies = exchange(federation.grid, messages, plan.round_timeout)
    raise_shared_failure(replies)
    travelled = sum(array_bytes(message.content) for message in messages)
    travelled += sum(array_bytes(reply.content) for reply in replies if reply.has_content())

    def problem(reply: Message, partition: int) -> str | None:
        return ranks_problem(
            reply,
            round=number,
            users=census.users[partition],
            protocols=protocols,
            num_items=len(federation.frequency) - 1,
        )

    found = sort_replies(replies, census.partition_of, chosen, problem)
    needed = enough(plan.min_participation, len(chosen))
    if len(found.accepted) < needed:
        raise ParticipationError(
            f"evaluation in round {number}: {len(found.accepted)} of {len(chosen)} clients sent "
            f"ranks, {needed} are needed; first reason: {first_reason(found.dropped)}"
        )
    return judged(found.accepted), travelled, found.dropped


def judge_round(federation: Federation, state: State, line: dict[str, Any]) -> dict[str, Any]:
    """Evaluate the current weights on validation items and keep them if they are the best."""
    config = federation.config
    start = time.monotonic()
    main = config.evaluation.main_protocol
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
        state.best, state.best_accepted = dict(state.weights), dict(state.accepted)
    else:
        state.stale += 1
    return line
