"""Every user trains a model of its own, all of them side by side through the cohort engine."""

import copy
import dataclasses
import math
import time
from collections.abc import Callable

import numpy as np
import torch

from experiments.baselines.local_common import (
    STAGES,
    ByStage,
    Evaluator,
    LocalOnlyResult,
    Tally,
    joined,
)
from fedrec.config.config import Config
from fedrec.config.sections.local import Local
from fedrec.data.sequences import Sequences
from fedrec.data.splits import Stage
from fedrec.errors import EvaluationError, TrainingError
from fedrec.evaluation.leave_one_out import HeldOutRanks
from fedrec.factory.training import make_cohort_loss, make_cohort_plan
from fedrec.models.recommender import Recommender
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.train import GroupProgress, train_cohort
from fedrec.training.cohort.user_weights import UserWeights

CHECKPOINTS = 4  # step counts that are evaluated, beside the beginning
FREQUENCY = "frequency"  # of the arrays with a row per item: how often each was seen in training


def local_only_plan(config: Config, optimizer: Local, num_users: int) -> CohortPlan:
    """Plan a user's training: the federation's mean work on it, by the centralised optimiser.

    A federation takes each user ``rounds * cohort / users`` times on average, for ``local.steps``
    steps (or ``local.epochs`` passes) each time: so many steps, at least one, are done here in one
    go. They are the steps of the centralised baseline's optimiser, whose state is kept: a rate that
    makes sense for one step between two averages makes none for a training. The rate stays what it
    is (no ``schedule-rounds``). Nothing is clipped, rounded or pulled, since nothing is sent.

    Args:
        config: Config of the run.
        optimizer: Section ``local`` that holds the settings of the optimiser.
        num_users: Number of users with something to train on.
    """
    plan, federation = make_cohort_plan(config, proximal_mu=0.0), config.federation
    rounds_per_user = federation.rounds * federation.cohort / num_users
    return dataclasses.replace(
        plan,
        steps=max(1, round(rounds_per_user * plan.steps)),
        optimizer=optimizer.optimizer,
        learning_rate=optimizer.learning_rate,
        beta_1=optimizer.beta_1,
        beta_2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        weight_decay=optimizer.weight_decay,
        clip_norm=0.0,
        upload="float32",
    )


def checkpoints(steps: int) -> list[int]:
    """Step counts to evaluate at: the beginning and the quarters; 0, 5, 10, 15, 20 of 20."""
    quarters = {math.ceil(steps * part / CHECKPOINTS) for part in range(1, CHECKPOINTS + 1)}
    return sorted({0, *quarters})


def train_users(
    config: Config,
    plan: CohortPlan,
    training: Sequences,
    model: Recommender,
    evaluator: Evaluator,
    on_wait: Callable[[int, int], None],
) -> LocalOnlyResult:
    """Train every user from the model's weights; keep one step count for all of them.

    It is the one with the best mean NDCG@10 on validation items: a single item says too little to
    stop each user by itself. Test items are ranked at every checkpoint, since thousands of models
    are not kept, but only the ranks of that one are looked at. What a user knows of training counts
    is its own. A user without a training target keeps the weights that all begin with.

    Args:
        config: Config of the run.
        plan: Local training plan of each user.
        training: Training parts of all users.
        model: Model with the initial weights; its training counts are zeros.
        evaluator: Evaluator of held-out items.
        on_wait: Callback, called with the numbers of finished users and of all.

    Raises:
        TrainingError: A user's training diverges.
    """
    watcher = _Watcher(model, training, evaluator, checkpoints(plan.steps), on_wait)
    done = train_cohort(
        model,
        training,
        np.arange(training.num_users),
        plan=plan,
        loss=make_cohort_loss(config, evaluator.dataset.catalog.num_items),
        seed=config.seed,
        round=1,
        watch=watcher,
    )
    for user in done.idle:
        watcher.evaluate_idle(int(user))
    found = {
        mark: {stage: joined(parts) for stage, parts in of.items()}
        for mark, of in watcher.found.items()
    }
    best = max(found, key=lambda mark: (evaluator.value(found[mark]["validation"]), -mark))
    return LocalOnlyResult(watcher.tallies, found[best], {"best_round": best})


class OneAtATime:
    """A model that takes on one user's weights after another's.

    Args:
        model: Copied; what training does not move stays as it is there.
    """

    def __init__(self, model: Recommender) -> None:
        self.model = copy.deepcopy(model)
        self._start = {name: value.clone() for name, value in self.model.state_dict().items()}
        self._knows_counts = FREQUENCY in model.item_arrays

    def begin(self, counts: np.ndarray) -> None:
        """Take on the weights that all begin with, and a user's training counts (V + 1,)."""
        self.model.load_state_dict(self._start)
        if self._knows_counts:
            buffer = self.model.get_buffer(FREQUENCY)
            buffer.copy_(torch.from_numpy(counts))

    def take_on(self, weights: UserWeights, index: int, counts: np.ndarray) -> None:
        """Take on the weights of the user at a index of a group."""
        self.begin(counts)
        parameters = dict(self.model.named_parameters())
        # What follows a user's own rows is padding.
        needed = weights.needed[index, : int(weights.needed[index].count_nonzero()) + 1]
        with torch.no_grad():
            for name, array in weights.trained.items():
                if name in weights.rows:
                    own = array.view(weights.sets, -1, *array.shape[1:])[index, : len(needed)]
                    parameters[name].index_copy_(0, needed, own)
                else:
                    parameters[name].copy_(array[index])


class _Watcher:
    """Evaluation of every user of a group at the checkpoints, while the group trains."""

    def __init__(
        self,
        model: Recommender,
        training: Sequences,
        evaluator: Evaluator,
        marks: list[int],
        on_wait: Callable[[int, int], None],
    ) -> None:
        self.own, self.training, self.evaluator = OneAtATime(model), training, evaluator
        self.tallies = {mark: Tally() for mark in marks}
        self.found: dict[int, dict[Stage, list[HeldOutRanks]]] = {
            mark: {stage: [] for stage in STAGES} for mark in marks
        }
        self._on_wait, self._num_evaluated = on_wait, 0
        self._before: list[tuple[float, float]] = []  # losses and targets at the last checkpoint
        self._clock = time.monotonic()

    def __call__(self, now: GroupProgress) -> None:
        """Look at a group before its first step and after each."""
        if now.steps not in self.tallies:
            return
        counts = [self._counts(one.user) for one in now.group]
        if now.steps == 0:
            self._before = [(0.0, 0.0)] * len(now.group)
            _tell_counts(now.weights, counts)
        tally = self.tallies[now.steps]
        self._note_losses(now, tally)
        trained = time.monotonic()
        tally.seconds["train"] += trained - self._clock
        for index, one in enumerate(now.group):
            self.own.take_on(now.weights, index, counts[index])
            self._add(now.steps, self._evaluate_own(one.user, now.steps))
        self._clock = time.monotonic()
        tally.seconds["evaluate"] += self._clock - trained
        if now.steps == max(self.tallies):
            self._num_evaluated += len(now.group)
            self._on_wait(self._num_evaluated, self.training.num_users)

    def _evaluate_own(self, user: int, steps: int) -> ByStage:
        try:
            return self.evaluator.both(self.own.model, np.array([user]))
        except EvaluationError as error:
            if steps == 0:
                raise
            raise _diverged(user, steps, str(error)) from None

    def evaluate_idle(self, user: int) -> None:
        """Evaluate a user that has nothing to train on: the same at every checkpoint."""
        self.own.begin(self._counts(user))
        found = self.evaluator.both(self.own.model, np.array([user]))
        for mark in self.tallies:
            self._add(mark, found)

    def _add(self, mark: int, found: ByStage) -> None:
        for stage, ranks in found.items():
            self.found[mark][stage].append(ranks)
        self.tallies[mark].ranks.append(found["validation"])

    def _note_losses(self, now: GroupProgress, tally: Tally) -> None:
        so_far = list(zip(now.losses.tolist(), now.targets.tolist(), strict=True))
        for one, (loss, targets), before in zip(now.group, so_far, self._before, strict=True):
            if not math.isfinite(loss):
                raise _diverged(one.user, now.steps, f"loss {loss}")
            tally.losses.append(loss - before[0])
            tally.targets += round(targets - before[1])
        self._before = so_far

    def _counts(self, user: int) -> np.ndarray:
        """(V + 1,) training events of a user per item."""
        num_items = self.evaluator.dataset.catalog.num_items
        return np.bincount(self.training.of(user), minlength=num_items + 1).astype(np.float32)


def _diverged(user: int, steps: int, how: str) -> TrainingError:
    return TrainingError(
        f"the training of user {user} alone diverged within {steps} steps: {how}; lower the rate "
        "(local.learning-rate, or learning-rate in strategy.options with server-adam)"
    )


def _tell_counts(weights: UserWeights, counts: list[np.ndarray]) -> None:
    """Give each user of a group its own training counts, where the model asks for any."""
    if FREQUENCY in weights.frozen:
        table = torch.from_numpy(np.stack(counts)).to(weights.needed.device)
        weights.frozen[FREQUENCY].copy_(table.gather(1, weights.needed).view(-1))
