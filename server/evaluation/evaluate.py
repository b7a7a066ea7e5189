"""Evaluation over clients: collect their ranks, pool them, keep the best round's weights."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from flwr.app import Message

from fedrec.config.config import Config
from fedrec.data.splits import Stage
from fedrec.errors import ConfigError, ParticipationError
from fedrec.evaluation.gates import are_told
from fedrec.factory.evaluation import evaluated, user_metrics
from fedrec.models.parameters import NamedArrays
from server.evaluation.messages import EvaluationRequest, evaluate_messages
from server.evaluation.metrics import pool_ranks, round_metrics
from server.messages.exchange import Exchanged, exchange
from server.messages.failures import error_of, raise_dead_worker, responded_partitions
from server.replies.outcome import SortedReplies, sort_replies
from server.replies.ranks import validate_ranks_reply
from server.sampling.excluded import first_reason, shared_exit_code
from server.sampling.population import required_replies, sample_partitions
from server.state.context import ServerContext
from server.state.ranks import EvaluationOutcome
from server.state.server_state import ServerState

SELECTING = "NDCG@10"  # the validation metric that picks the best round


def evaluate(
    context: ServerContext,
    state: ServerState,
    *,
    occasion: str,
    round: int,
    stage: Stage,
    scorer: str | None = None,
    weights: NamedArrays | None = None,
    protocols: Sequence[str],
    further: bool = False,
    fraction: float = 1.0,
) -> EvaluationOutcome:
    """Evaluate weights, or a baseline, by the ranks that clients compute.

    Args:
        context: Context of the run, the same over all rounds.
        state: State of the server, with the current weights.
        occasion: Name of the evaluation, as it is recorded.
        round: Number of the round.
        stage: "validation" or "test".
        scorer: Name of a baseline, instead of the run's own scorer.
        weights: Best weights, to evaluate instead of the current ones.
        protocols: Evaluation protocols.
        further: Whether figures beyond the ranks are asked for, as far as the config has them.
        fraction: Share of the partitions that is sampled.

    Raises:
        ParticipationError: Too few clients sent valid ranks.
        FedrecError: All clients report the same kind of error.
    """
    registration, plan = context.registration, context.config.federation
    # The same clients every time: rounds evaluated on different users could not be compared.
    sampled = sample_partitions(
        registration.partitions, fraction, seed=context.config.seed, round=0, purpose="evaluate"
    )
    is_evaluated = evaluated(context.config, context.num_users, stage)
    users = {p: registration.users[p][is_evaluated[registration.users[p]]] for p in sampled}
    sampled = [partition for partition in sampled if len(users[partition])]
    if not sampled:
        raise ConfigError(
            "none of the sampled partitions holds a user who is evaluated; raise evaluation.users "
            "or federation.evaluate-fraction"
        )
    unavailable = context.unavailability.of_evaluation(occasion, sampled)
    available = [partition for partition in sampled if partition not in unavailable]
    scorer = scorer or context.scorer
    # The best weights go with the private files of their time.
    accepted = state.accepted if weights is None else state.best_accepted
    request = EvaluationRequest(
        round=round, stage=stage, scorer=scorer, protocols=protocols, further=further
    )
    evaluation = context.config.evaluation
    messages = evaluate_messages(
        context, state, request, available, state.weights if weights is None else weights, accepted
    )
    replies = exchange(context.grid, messages, plan.round_timeout, context.watch)
    raise_dead_worker(replies)
    of_model = scorer == "model"
    num_bytes = context.clients.evaluation_traffic(
        Exchanged(
            messages=messages,
            replies=replies,
            sent_to=available,
            responded=responded_partitions(replies, registration.partition_of) & set(sampled),
        ),
        users={partition: len(own) for partition, own in users.items()},
        num_protocols=len(protocols),
        is_first=round == 0,
        of_model=of_model,
    )
    num_views = context.num_views if of_model else 0
    is_private = of_model and context.config.model.is_personalised

    def validate(reply: Message, partition: int) -> NamedArrays:
        return validate_ranks_reply(
            reply,
            round=round,
            partition=partition,
            users=users[partition],
            protocols=protocols,
            num_items=len(context.frequency) - 1,
            num_events=registration.num_events,
            num_gates=num_views if are_told(stage, num_views) else 0,
            has_positions=further and bool(evaluation.positions_from),
            has_jaccard=further and evaluation.genre_jaccard,
            is_personalised=is_private and partition in accepted,
            names_items=plan.shares_counts(len(registration.users[partition])),
        )

    found = sort_replies(replies, registration.partition_of, sampled, validate, unavailable)
    state.keep_traceback(found.excluded)
    _check_participation(found, len(sampled), plan.min_participation, round, occasion)
    return EvaluationOutcome(
        ranks=pool_ranks(found.accepted, protocols), bytes=num_bytes, excluded=found.excluded
    )


def _check_participation(
    found: SortedReplies[NamedArrays], sampled: int, share: float, round: int, occasion: str
) -> None:
    """Refuse an evaluation with too few usable replies."""
    required = required_replies(share, sampled)
    if len(found.accepted) >= required:
        return
    code, reason = shared_exit_code(found.excluded), first_reason(found.excluded)
    excluded: Mapping[str, list[dict[str, Any]]] = {
        occasion: [one.record("evaluate") for one in found.excluded]
    }
    if code != 1 and not found.accepted:
        raise error_of(code, reason, excluded)
    raise error_of(
        ParticipationError.exit_code,
        f"evaluation in round {round}: {len(found.accepted)} of {sampled} clients sent "
        f"ranks, {required} are needed; first reason: {reason}",
        excluded,
    )


def evaluate_round(
    context: ServerContext, state: ServerState, line: dict[str, Any]
) -> dict[str, Any]:
    """Evaluate the current weights on validation items and keep them if they are the best."""
    config = context.config
    start = time.monotonic()
    main = config.evaluation.main_protocol
    found = evaluate(
        context,
        state,
        occasion=f"evaluate {line['round']}",
        round=line["round"],
        stage="validation",
        protocols=[main],
        fraction=config.federation.evaluate_fraction,
    )
    line |= round_metrics(
        found.ranks, main, config.evaluation.cutoffs, context.clients, user_metrics(config)
    )
    line["excluded"] = line["excluded"] + [one.record("evaluate") for one in found.excluded]
    line["bytes_evaluate"] = found.bytes
    line["seconds"]["evaluate"] = time.monotonic() - start
    line["seconds"]["total"] += line["seconds"]["evaluate"]
    state.elapsed += line["seconds"]["evaluate"]
    line["elapsed"] = state.elapsed
    is_final = not found.excluded and _is_as_at_the_end(config)
    line["best"] = state.keep_if_best(
        line["validation"][SELECTING], line["round"], found if is_final else None
    )
    return line


def _is_as_at_the_end(config: Config) -> bool:
    """Whether every round is evaluated as the end of a run is: clients, protocols and figures."""
    evaluation = config.evaluation
    return (
        config.federation.evaluate_fraction >= 1
        and tuple(evaluation.protocols) == (evaluation.main_protocol,)
        and not (evaluation.positions_from or evaluation.genre_jaccard)
    )
