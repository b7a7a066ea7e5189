"""Centralised training: epochs over all users, the best epoch kept by validation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from fedrec.data.sequences import Sequences
from fedrec.models.parameters import NamedArrays, arrays_of, load_arrays
from fedrec.models.recommender import Recommender
from fedrec.training.local import Plan, fit
from fedrec.training.objective import Objective

ALL_USERS = 0  # number of the one partition that holds everybody


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over all users.

    Attributes:
        epoch: Its number from 1; 0 is the model before training.
        loss: Mean training loss, or none before training.
        validation: Value of the validation metric, or none where it was not evaluated.
        best: Whether no epoch before it was as good.
    """

    epoch: int
    loss: float | None
    validation: float | None
    best: bool


def fit_epochs(
    model: Recommender,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    training: Sequences,
    users: np.ndarray,
    *,
    plan: Plan,
    seed: int,
    epochs: int,
    validate: Callable[[Recommender], float],
    evaluate_every: int = 1,
    patience: int = 0,
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
) -> list[Epoch]:
    """Train a model in place for some epochs and leave it with the weights of the best one.

    Each epoch is ``fedrec.training.local.fit``, the local training of a client, by the only client
    there is: FedAvg over that one client gives the same weights, bit for bit (a test).

    Args:
        model: With its initial weights.
        optimizer: Over the model's trained parameters; its state is kept over the epochs.
        objective: Loss of a batch.
        training: Training parts of all users.
        users: (U,) Users to train on.
        plan: How one epoch trains; ``plan.epochs`` is 1.
        seed: Seed of the run.
        epochs: Epochs at most.
        validate: Gives the validation metric of the model; higher is better.
        evaluate_every: Epochs from one validation to the next; the last epoch is validated always.
        patience: Validations without improvement before training stops (early stopping); 0: never.
        on_epoch: Called with each epoch, the initial model as epoch 0 first.

    Returns:
        All epochs, the initial model as epoch 0 first.

    Raises:
        DataError: No user has two training events.
        TrainingError: The loss is NaN or infinite.
    """
    names = [name for name, _ in model.named_parameters()]
    best_value, without_improvement = -1.0, 0
    best_weights: NamedArrays = {}
    history: list[Epoch] = []
    for number in range(epochs + 1):
        loss = value = None
        if number:
            loss = fit(
                model,
                optimizer,
                objective,
                training,
                users,
                plan=plan,
                seed=seed,
                round=number,
                partition=ALL_USERS,
            ).loss
        if number % evaluate_every == 0 or number == epochs:
            value = validate(model)
        is_best = value is not None and value > best_value
        if value is not None:
            without_improvement = 0 if is_best else without_improvement + 1
        if value is not None and is_best:
            best_value, best_weights = value, arrays_of(model, names)
        history.append(Epoch(epoch=number, loss=loss, validation=value, best=is_best))
        on_epoch(history[-1])
        if patience and without_improvement >= patience:
            break
    load_arrays(model, best_weights, names)
    return history


def best_epoch(history: list[Epoch]) -> int:
    """Number of the epoch whose weights were kept."""
    return max(epoch.epoch for epoch in history if epoch.best)
