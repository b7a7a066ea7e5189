"""Rounds with too few usable replies: whether to try again, and the error that ends the run."""

from collections.abc import Mapping
from typing import Any

from fedrec.config.config import Config
from fedrec.errors import FedrecError, ParticipationError
from server.messages.failures import NOT_RETRIED, error_of
from server.sampling.cohort import Cohort
from server.sampling.excluded import first_reason, num_diverged, shared_exit_code
from server.training.collect import Collected


def cannot_succeed(collected: Collected) -> bool:
    """Whether another attempt would only hide what the user must change."""
    return shared_exit_code(collected.excluded) in NOT_RETRIED and not collected.accepted


def too_few_replies(
    config: Config,
    round: int,
    cohort: Cohort,
    collected: Collected,
    required: int,
    minimum: int,
    excluded: Mapping[str, list[dict[str, Any]]],
) -> FedrecError:
    """Make the error of a round with too few usable replies: the clients' own, where all agree.

    Args:
        config: Config of the run.
        round: Number of the round.
        cohort: Sampled clients of the round.
        collected: Replies of the last attempt.
        required: Number of usable replies that the round needs.
        minimum: Number of replies that the strategy needs, whatever the participation.
        excluded: Attempt -> its excluded clients, for run.json.
    """
    code, reason = shared_exit_code(collected.excluded), first_reason(collected.excluded)
    if code != 1 and not collected.accepted:
        return error_of(code, reason, excluded)
    share = config.federation.min_participation
    why = f"federation.min-participation = {share}"
    if required == minimum > 1:
        why = f"strategy.name = {config.strategy.name!r} with its strategy.options"
    diverged = num_diverged(collected.excluded)
    hint = f"; the training of {diverged} users diverged: lower local.learning-rate"
    return error_of(
        ParticipationError.exit_code,
        f"round {round}: {collected.num_clients} of {cohort.num_clients} clients sent a usable "
        f"reply, {required} are needed ({why}); first reason: {reason}{hint if diverged else ''}",
        excluded,
    )
