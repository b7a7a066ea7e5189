"""The federated round: sample, send, validate, aggregate, evaluate, checkpoint.

The round is ours, the aggregation is Flower's: any ``Strategy`` is used through its public verbs.
Whether a client is a partition or a single user is behind ``server/granularity``.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from server.aggregation.aggregate import adapters_error, aggregate
from server.aggregation.strategies import min_replies
from server.evaluation.evaluate import evaluate_round
from server.messages.weights import cast_weights
from server.replies.train import TrainReply
from server.round_line import empty_round
from server.sampling.cohort import Cohort
from server.sampling.population import required_replies
from server.state.context import ServerContext
from server.state.server_state import ServerState
from server.training.collect import Collected, collect_replies
from server.training.messages import train_messages
from server.training.participation import cannot_succeed, too_few_replies

ATTEMPTS = 2  # a round that fails is tried once more; the model stays as it was

Record = Callable[[dict[str, Any], ServerState, bool], None]


def run_rounds(
    context: ServerContext, state: ServerState, record: Record, completed: int = -1
) -> None:
    """Run federated rounds until the last one, or until early stopping.

    Args:
        context: Context of the run, the same over all rounds.
        state: State to start from; changed in place.
        record: Recorder of history and checkpoints: called with each line of rounds.jsonl, from
            round 0 on, the state after that round, and whether it was the last.
        completed: Last round that is complete, when a run is resumed.

    Raises:
        ParticipationError: A round had too few usable replies in both attempts.
    """
    plan = context.config.federation
    if completed < 0:
        line = evaluate_round(context, state, empty_round(0))
        record(line, state, is_over(context, state, 0))
    round = max(0, completed)
    while not is_over(context, state, round):
        if round in context.joints.fresh:
            state.forget_client_state()
        round += 1
        line = train_round(context, state, round)
        is_due = round % plan.evaluate_every == 0 or round == plan.rounds
        if is_due or round in context.joints.evaluated:
            line = evaluate_round(context, state, line)
        record(line, state, is_over(context, state, round))


def is_over(context: ServerContext, state: ServerState, round: int) -> bool:
    """Whether ``round`` was the last one: of the config, by early stopping, or of a baseline."""
    plan = context.config.federation
    stops_early = bool(plan.patience) and state.evals_without_improvement >= plan.patience
    return context.scorer != "model" or round >= plan.rounds or stops_early


def train_round(context: ServerContext, state: ServerState, round: int) -> dict[str, Any]:
    """Train one round, which changes ``state``; return the round's line of rounds.jsonl."""
    start = time.monotonic()
    line = empty_round(round)
    cohort = context.clients.sample(round)
    line["sampled"] = cohort.partitions
    replies = _usable_replies(context, state, line, cohort)
    received = time.monotonic()
    start_weights = state.weights
    loss, targets = aggregate(context, state, round, replies)
    done = time.monotonic()
    state.add_round(done - start, targets, line["bytes_down"] + line["bytes_up"])
    line |= {"aggregated": sorted(replies), "train_loss": loss, "targets": targets}
    if context.config.model.name == "lora":
        line["product_error"] = adapters_error(context, list(replies.values()), start_weights)
    line |= {
        "passes": state.targets / context.registration.total_targets,
        "elapsed": state.elapsed,
        "megabytes": state.megabytes,
        "client_megabytes": state.megabytes / context.clients.num_clients,
    }
    line["seconds"] |= {
        "train": received - start - line["seconds"]["check"],
        "aggregate": done - received,
        "total": done - start,
    }
    return line


def _usable_replies(
    context: ServerContext, state: ServerState, line: dict[str, Any], cohort: Cohort
) -> Mapping[int, TrainReply]:
    """Collect the accepted replies of the cohort, in a second attempt if there are too few.

    Raises:
        ParticipationError: There are too few in both attempts.
        FedrecError: All clients report the same kind of error.
    """
    share = context.config.federation.min_participation
    minimum = min_replies(context.strategy)
    required = max(required_replies(share, cohort.num_clients), minimum)
    excluded = {}
    for attempt in range(ATTEMPTS):
        collected = _attempt(context, state, line, cohort, attempt)
        if collected.num_clients >= required:
            line["excluded"] = [one.record("train") for one in collected.excluded]
            return {p: one for p, one in collected.accepted.items() if one.clients}
        line["retried"] = [one.record("train") for one in collected.excluded]
        excluded[f"round {line['round']}, try {attempt + 1}"] = line["retried"]
        if cannot_succeed(collected):
            break
    raise too_few_replies(
        context.config, line["round"], cohort, collected, required, minimum, excluded
    )


def _attempt(
    context: ServerContext,
    state: ServerState,
    line: dict[str, Any],
    cohort: Cohort,
    attempt: int,
) -> Collected:
    """Send the weights to the cohort, collect and validate the replies; count the traffic."""
    plan = context.config.federation
    available, unavailable = context.clients.split_unavailable(cohort, line["round"], attempt)
    sent = cast_weights(state.weights, plan.download)
    messages = train_messages(context, state, line["round"], available, sent)
    collected = collect_replies(
        context, line["round"], messages, cohort=available, unavailable=unavailable, sent=sent,
        participants=state.participants,
    )  # fmt: skip
    state.participants = collected.traffic.participants
    state.keep_traceback(collected.excluded)
    line["bytes_down"] += collected.traffic.down
    line["bytes_up"] += collected.traffic.up
    line["seconds"]["check"] += collected.validation_seconds
    line |= context.clients.cohort_counts(cohort, collected.num_clients)
    return collected
