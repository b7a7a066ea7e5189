"""Every partition trains a model of its own, from the same weights and as long as federated."""

import time
from collections.abc import Callable

import numpy as np

from clients.local_data import open_local_data, training_events
from experiments.baselines.local_common import ByStage, Evaluator, LocalOnlyResult, Tally, joined
from fedrec.config.config import Config
from fedrec.data.preparation.store import Dataset
from fedrec.evaluation.leave_one_out import Scorer
from fedrec.factory.model import make_model
from fedrec.factory.training import local_optimizer, make_loss, make_plan
from fedrec.models.parameters import arrays_of, load_arrays
from fedrec.semantics.table import EmbeddingTable
from fedrec.training.local import fit


def train_partitions(
    config: Config,
    dataset: Dataset,
    table: EmbeddingTable | None,
    evaluator: Evaluator,
    on_wait: Callable[[int, int], None],
) -> LocalOnlyResult:
    """Train one partition after the other; each keeps its own best round by its own users.

    A partition does ``federation.rounds`` rounds of the local work of a federation in which it
    takes part every time, without FedProx's pull, which has nothing to pull towards. What it knows
    of training counts is its own. One without a user to train on keeps the weights it began with.

    Args:
        config: Config of the run.
        dataset: Prepared data.
        table: Frozen embedding table, or none.
        evaluator: Evaluator of held-out items.
        on_wait: Callback, called with the numbers of finished partitions and of all.

    Raises:
        TrainingError: A partition's training diverges.
    """
    plan, count = config.federation, config.partition.count
    tallies = {number: Tally() for number in range(plan.rounds + 1)}
    finals: list[ByStage] = []
    best_rounds = []
    for partition in range(count):
        on_wait(partition, count)
        final, best_round = _train_one(config, dataset, table, evaluator, partition, tallies)
        finals.append(final)
        best_rounds.append(best_round)
    on_wait(count, count)
    return LocalOnlyResult(
        tallies,
        {stage: joined([final[stage] for final in finals]) for stage in finals[0]},
        {"best_round": None, "best_rounds": best_rounds},
    )


def _train_one(
    config: Config,
    dataset: Dataset,
    table: EmbeddingTable | None,
    evaluator: Evaluator,
    partition: int,
    tallies: dict[int, Tally],
) -> tuple[ByStage, int]:
    """Train a partition's model; its ranks by the best round's weights, and that round."""
    data = open_local_data(config, partition)
    model = make_model(config, dataset.catalog, table, training_events(data), data.users)
    names = [name for name, _ in model.named_parameters()]
    loss = make_loss(config, data.training, dataset.catalog.num_items, dataset.domains)
    optimizer = local_optimizer(config, model)
    can_train = bool(data.targets.any())
    best_value, best_round, best = -1.0, 0, arrays_of(model, names)
    for number, tally in tallies.items():
        start = time.monotonic()
        if number and can_train:
            if config.local.optimizer_state == "reset":
                optimizer = local_optimizer(config, model)
            done = fit(
                model,
                optimizer,
                loss,
                data.training,
                data.users,
                plan=make_plan(config, proximal_mu=0.0),
                seed=config.seed,
                round=number,
                partition=partition,
            )
            tally.losses.append(done.loss * done.targets)
            tally.targets += done.targets
        trained = time.monotonic()
        tally.seconds["train"] += trained - start
        if is_evaluated(config, number):
            value = _evaluate_round(evaluator, evaluator.scorer(model), data.users, tally)
            if value > best_value:
                best_value, best_round, best = value, number, arrays_of(model, names)
            tally.seconds["evaluate"] += time.monotonic() - trained
    load_arrays(model, best, names)
    return evaluator.both(model, data.users), best_round


def _evaluate_round(evaluator: Evaluator, scorer: Scorer, users: np.ndarray, tally: Tally) -> float:
    found = evaluator.ranks(
        scorer, users, "validation", [evaluator.config.evaluation.main_protocol]
    )
    tally.ranks.append(found)
    return evaluator.value(found)


def is_evaluated(config: Config, number: int) -> bool:
    """Whether a federation evaluates its model after this round."""
    plan = config.federation
    return number % plan.evaluate_every == 0 or number == plan.rounds
