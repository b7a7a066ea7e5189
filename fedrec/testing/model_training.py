"""How a model must train: deterministic, finite, alone as beside others."""

import copy
from collections.abc import Callable

import numpy as np
import torch

from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.evaluation.ranking import ranks_of
from fedrec.models.parameters import NamedArrays, arrays_of, groups_of
from fedrec.models.recommender import Recommender
from fedrec.testing.conformance import (
    LENGTHS,
    MAX_LENGTH,
    NUM_ITEMS,
    ConformanceError,
    check_finite,
    demand,
    have_same_bytes,
    small_histories,
)
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.train import train_cohort
from fedrec.training.local import Plan, fit, make_optimizer
from fedrec.training.objective import make_objective

Build = Callable[[int], Recommender]

RATE = 0.1
NEGATIVES = 6
ROUNDS = 12
TOLERANCE = 1e-9  # of float64
_PLAIN = (int, float, str, bool, tuple, torch.Tensor)


def check_training(build: Build) -> None:
    """Check one round of local training.

    Raises:
        ConformanceError: The first thing that does not hold.
    """
    untrained = [build(0) for _ in range(2)]  # torch's layers draw weights that are drawn again
    state = torch.get_rng_state()
    try:
        models = [_trained(model, dropout=0.2) for model in untrained]
    except ConfigError as error:  # it writes to a buffer
        raise ConformanceError(str(error)) from None
    demand(
        torch.equal(state, torch.get_rng_state()),
        "training draws from torch's global generator; multiply by the dropout masks of encode",
    )
    names = [name for name, _ in models[0].named_parameters()]
    first, again = (arrays_of(model, names) for model in models)
    check_finite(first, "trained weights")
    demand(
        have_same_bytes(first, again),
        "two rounds of training from the same weights and seed end in other weights",
    )
    start = arrays_of(build(0), names)
    groups = groups_of(models[0])
    demand(
        any(not np.array_equal(start[name], first[name]) for name in groups.shared),
        "training moves no shared parameter",
    )
    _check_state(build(0), models[0])


def _check_state(fresh: Recommender, trained: Recommender) -> None:
    """Nothing beside the parameters remembers a training: no client would send it."""
    before = dict(fresh.named_modules())
    for place, layer in trained.named_modules():
        for name, value in vars(layer).items():
            if isinstance(value, _PLAIN) and name != "training":
                known = vars(before[place]).get(name) if place in before else None
                same = (
                    torch.equal(value, known)
                    if isinstance(value, torch.Tensor) and isinstance(known, torch.Tensor)
                    else type(value) is type(known) and value == known
                )
                demand(
                    same,
                    f"training changes the attribute {name!r} of {place or 'the model'} "
                    f"({type(layer).__name__}), which no client sends and no model file holds",
                )


def check_learning(model: Recommender, loss: str) -> None:
    """Check that training by a loss raises in the ranking what follows.

    Args:
        model: That is trained, in place.
        loss: A value of ``loss.name``.

    Raises:
        ConformanceError: It does not.
    """
    training, before = small_histories(), _mean_rank(model)
    optimizer = make_optimizer(model, "adam", learning_rate=0.02, beta_2=0.98, weight_decay=0.0)
    for number in range(1, ROUNDS + 1):
        _fit(model, optimizer, training, loss=loss, round=number)
    after = _mean_rank(model)
    demand(
        after < before,
        f"{ROUNDS} epochs do not raise the items that follow in the ranking (mean rank "
        f"{before:.1f} to {after:.1f} of {NUM_ITEMS}); has the loss the wrong sign?",
    )


def _mean_rank(model: Recommender) -> float:
    """Mean rank of the last items of the histories, which training sees."""
    rows = [small_histories().of(user) for user in range(len(LENGTHS))]
    score = model_scorer(model, NUM_ITEMS, MAX_LENGTH)
    scores = score([row[:-1] for row in rows]).scores
    return float(ranks_of(scores, np.array([row[-1] for row in rows])).mean())


def check_side_by_side(model: Recommender, loss: str = "softmax") -> None:
    """Check that users who train side by side end where each ends alone (``unit = "user"``).

    Args:
        model: That is trained.
        loss: A value of ``loss.name``.

    Raises:
        ConformanceError: They do not.
    """
    model = model.double().train()
    training, users = small_histories(), np.arange(len(LENGTHS))
    plan = CohortPlan(
        steps=2, learning_rate=RATE, max_length=MAX_LENGTH, newest_windows=1, group_tokens=30
    )
    cohort_loss = CohortLoss(name=loss, num_items=NUM_ITEMS, negatives=NEGATIVES)
    start = arrays_of(model, groups_of(model).shared)
    try:
        got = train_cohort(model, training, users, plan=plan, loss=cohort_loss, seed=0, round=1)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        demand(False, f"users cannot be trained side by side (federation.unit = 'user'): {error}")
        return
    total: NamedArrays = {name: np.zeros_like(array) for name, array in start.items()}
    for user, length in enumerate(LENGTHS):
        own = _trained(copy.deepcopy(model), steps=2, loss=loss, users=np.array([user]))
        for name, array in arrays_of(own, start).items():
            total[name] += (min(length - 1, MAX_LENGTH)) * (array - start[name])
    for name, array in total.items():
        demand(
            np.allclose(got.total[name], array, atol=TOLERANCE * max(1.0, np.abs(array).max())),
            f"users who train side by side move {name!r} elsewhere than each of them alone; an "
            "array of item_arrays may be read by look_up only, and rows of a batch stay apart",
        )


def _trained(
    model: Recommender,
    *,
    steps: int = 0,
    dropout: float = 0.0,
    loss: str = "softmax",
    users: np.ndarray | None = None,
) -> Recommender:
    """A model after one round by plain gradient descent, trained in place."""
    training = small_histories()
    if model.user_arrays:  # nothing is read: what a user had first follows the padding
        items = np.insert(training.items, training.offsets[:-1], 0)
        training = Sequences(items, training.offsets + np.arange(len(training.offsets)))
        loss = "bpr"
    if model.needs_times:
        times = np.arange(training.num_events, dtype=np.int64) * 3600
        training = Sequences(training.items, training.offsets, times)
    optimizer = make_optimizer(model, "sgd", learning_rate=RATE, beta_2=0.98, weight_decay=0.0)
    _fit(model, optimizer, training, loss=loss, steps=steps, dropout=dropout, users=users)
    return model


def _fit(
    model: Recommender,
    optimizer: torch.optim.Optimizer,
    training: Sequences,
    *,
    loss: str,
    round: int = 1,
    steps: int = 0,
    dropout: float = 0.0,
    users: np.ndarray | None = None,
) -> None:
    """Train a model in place for one round."""
    objective = make_objective(
        loss,
        training=training,
        catalogue=np.arange(1, NUM_ITEMS + 1),
        negatives=NEGATIVES,
        log_q=True,
        calibration=0.75,
    )
    plan = Plan(
        epochs=1,
        steps=steps,
        batch_size=1 if steps else 3,
        max_length=MAX_LENGTH,
        dropout=dropout,
        identity_dropout=0.0,
    )
    held = np.arange(len(LENGTHS)) if users is None else users
    fit(model, optimizer, objective, training, held, plan=plan, seed=0, round=round, partition=0)
