"""How a model must train: deterministic, finite, alone as beside others."""

import copy
from collections.abc import Callable

import numpy as np
import torch

from fedrec.data.sequences import Sequences
from fedrec.models.parameters import NamedArrays, arrays_of, groups_of
from fedrec.models.recommender import Recommender
from fedrec.testing.conformance import (
    LENGTHS,
    MAX_LENGTH,
    NUM_ITEMS,
    check_finite,
    demand,
    have_same_bytes,
    small_histories,
)
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.train import train_cohort
from fedrec.training.local import Plan, fit, make_optimizer
from fedrec.training.objective import Objective, make_objective

Build = Callable[[int], Recommender]

RATE = 0.1
TOLERANCE = 1e-9  # of float64


def check_training(build: Build) -> None:
    """Check one round of local training.

    Raises:
        ConformanceError: The first thing that does not hold.
    """
    frozen = {name: buffer.clone() for name, buffer in build(0).named_buffers()}
    untrained = [build(0) for _ in range(2)]  # torch's layers draw weights that are drawn again
    state = torch.get_rng_state()
    models = [_trained(model, steps=0, dropout=0.2) for model in untrained]
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
    for name, buffer in models[0].named_buffers():
        demand(torch.equal(buffer, frozen[name]), f"training changes the frozen array {name!r}")


def check_side_by_side(model: Recommender) -> None:
    """Check that users who train side by side end where each ends alone (``unit = "user"``).

    Raises:
        ConformanceError: They do not.
    """
    model = model.double().train()
    training, users = small_histories(), np.arange(len(LENGTHS))
    plan = CohortPlan(
        steps=2, learning_rate=RATE, max_length=MAX_LENGTH, newest_windows=1, group_tokens=30
    )
    loss = CohortLoss(name="softmax", num_items=NUM_ITEMS, negatives=6)
    start = arrays_of(model, groups_of(model).shared)
    try:
        got = train_cohort(model, training, users, plan=plan, loss=loss, seed=0, round=1)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        demand(False, f"users cannot be trained side by side (federation.unit = 'user'): {error}")
        return
    total: NamedArrays = {name: np.zeros_like(array) for name, array in start.items()}
    for user, length in enumerate(LENGTHS):
        own = _trained(copy.deepcopy(model), steps=2, dropout=0.0, users=np.array([user]))
        for name, array in arrays_of(own, start).items():
            total[name] += (min(length - 1, MAX_LENGTH)) * (array - start[name])
    for name, array in total.items():
        demand(
            np.allclose(got.total[name], array, atol=TOLERANCE * max(1.0, np.abs(array).max())),
            f"users who train side by side move {name!r} elsewhere than each of them alone; an "
            "array of item_arrays may be read by look_up only, and rows of a batch stay apart",
        )


def _trained(
    model: Recommender, *, steps: int, dropout: float, users: np.ndarray | None = None
) -> Recommender:
    """A model after one round by plain gradient descent, trained in place."""
    training = small_histories()
    if model.user_arrays:  # nothing is read: what a user had first follows the padding
        items = np.insert(training.items, training.offsets[:-1], 0)
        training = Sequences(items, training.offsets + np.arange(len(training.offsets)))
    if model.needs_times:
        times = np.arange(training.num_events, dtype=np.int64) * 3600
        training = Sequences(training.items, training.offsets, times)
    optimizer = make_optimizer(model, "sgd", learning_rate=RATE, beta_2=0.98, weight_decay=0.0)
    plan = Plan(
        epochs=1,
        steps=steps,
        batch_size=1 if steps else 3,
        max_length=MAX_LENGTH,
        dropout=dropout,
        identity_dropout=0.0,
    )
    fit(
        model,
        optimizer,
        _objective(model, training),
        training,
        np.arange(len(LENGTHS)) if users is None else users,
        plan=plan,
        seed=0,
        round=1,
        partition=0,
    )
    return model


def _objective(model: Recommender, training: Sequences) -> Objective:
    return make_objective(
        "bpr" if model.user_arrays else "softmax",
        training=training,
        catalogue=np.arange(1, NUM_ITEMS + 1),
        negatives=6,
        log_q=True,
        calibration=0.75,
    )
