"""Training objectives: the mean loss of a batch over the candidates of each target."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedrec.data.sequences import Sequences
from fedrec.models.losses import LossFunction, LossOptions
from fedrec.models.recommender import Recommender, device_of
from fedrec.randomness import generator
from fedrec.training.batches import Batch
from fedrec.training.negatives import own_negatives, shared_negatives
from fedrec.training.user_loss import find_loss

Objective = Callable[[Recommender, Batch, "StepSeeds"], Tensor]


@dataclass(frozen=True, kw_only=True)
class StepSeeds:
    """Seeds of the random streams of one local step, and its dropout masks.

    Attributes:
        seed: Seed of the run.
        round: Number of the round, from 1.
        step: Number of the step in the round, from 0.
        dropout_masks: (num_masks, B, L, D) Dropout masks or none.
        identity_dropout: Share of items shown without their identity.
    """

    seed: int
    round: int
    step: int
    dropout_masks: Tensor | None
    identity_dropout: float


def make_objective(
    name: str,
    *,
    training: Sequences,
    catalogue: np.ndarray,
    negatives: int,
    log_q: bool,
    calibration: float,
) -> Objective:
    """The loss of a batch as a function of model, batch and seeds.

    Args:
        name: Name of the loss; see ``fedrec.training.user_loss``.
        training: Training parts; negatives are drawn from everything but a user's own.
        catalogue: (C,) The items that users may be offered, ascending: all V of them, or those of
            the users' domain. Cold items are left out: they would be negatives again and again
            without ever being a target.
        negatives: K; BCE and BPR take 1 per position whatever K is, as SASRec does.
        log_q: Correct sampled softmax for the chance of an item to be drawn.
        calibration: T of gBCE.
    """
    options = LossOptions(
        num_candidates=len(catalogue), negatives=negatives, log_q=log_q, calibration=calibration
    )
    return objective_of(find_loss(name)(options), training, catalogue)


def objective_of(loss: LossFunction, training: Sequences, catalogue: np.ndarray) -> Objective:
    """The mean of a loss over the targets of a batch.

    Args:
        loss: What targets are compared with, and how.
        training: Training parts; own negatives are drawn from everything but a user's own.
        catalogue: (C,) Items that users may be offered, ascending.
    """
    if loss.candidates == "all":
        return lambda model, batch, seeds: _against_all(model, batch, seeds, loss, catalogue)
    against = _against_shared if loss.candidates == "shared" else _against_own
    return lambda model, batch, seeds: against(model, batch, seeds, loss, training, catalogue)


def _against_all(
    model: Recommender, batch: Batch, seeds: StepSeeds, loss: LossFunction, catalogue: np.ndarray
) -> Tensor:
    states, vectors, index_of = _forward(model, batch, seeds, np.append(0, catalogue))
    targets = index_of(batch.targets[batch.targets > 0]) - 1
    return loss.of_targets(states, vectors[1:], targets, weights=_equal(states)).mean()


def _against_shared(
    model: Recommender,
    batch: Batch,
    seeds: StepSeeds,
    loss: LossFunction,
    training: Sequences,
    catalogue: np.ndarray,
) -> Tensor:
    drawn = shared_negatives(seeds.seed, seeds.round, seeds.step, len(catalogue), loss.negatives)
    negatives = catalogue[drawn - 1]
    targets = batch.targets[batch.targets > 0]
    needed = np.unique(np.concatenate([batch.items.ravel(), targets, negatives]))
    states, vectors, index_of = _forward(model, batch, seeds, needed)
    seen = np.stack([np.isin(negatives, training.of(int(user))) for user in batch.users])
    refused = torch.from_numpy(np.repeat(seen, batch.counts, axis=0)).to(vectors.device)
    positives, others = vectors[index_of(targets)], vectors[index_of(negatives)]
    weights = _equal(states)
    return loss.of_targets(states, positives, others, refused=refused, weights=weights).mean()


def _against_own(
    model: Recommender,
    batch: Batch,
    seeds: StepSeeds,
    loss: LossFunction,
    training: Sequences,
    catalogue: np.ndarray,
) -> Tensor:
    rows = [
        own_negatives(
            generator(seeds.seed, "negatives", seeds.round, seeds.step, user),
            training.of(user),
            catalogue,
            total,
            loss.negatives,
        )
        for user, total in batch.targets_of.items()
    ]
    negatives = np.concatenate(rows)
    targets = batch.targets[batch.targets > 0]
    needed = np.unique(np.concatenate([batch.items.ravel(), targets, negatives.ravel()]))
    states, vectors, index_of = _forward(model, batch, seeds, needed)
    return loss.of_targets(states, vectors[index_of(targets)], vectors[index_of(negatives)]).mean()


def _equal(states: Tensor) -> Tensor:
    """The same weight (M,) for all targets, which lets log sum exp make its gradient at once."""
    return torch.ones_like(states[..., 0])


def _forward(
    model: Recommender, batch: Batch, seeds: StepSeeds, needed: np.ndarray
) -> tuple[Tensor, Tensor, Callable[[np.ndarray], Tensor]]:
    """States (M, D) where there is a target, vectors (K, D) of the needed items, item -> row."""
    device = device_of(model)

    def index_of(items: np.ndarray) -> Tensor:
        return torch.from_numpy(np.searchsorted(needed, items)).to(device)

    unknown = None
    if seeds.identity_dropout > 0:
        stream = generator(seeds.seed, "identity", seeds.round, seeds.step)
        dropped = stream.random(int(needed[-1]) + 1) < seeds.identity_dropout
        unknown = torch.from_numpy(dropped[needed]).to(device)
    table = model.look_up(torch.from_numpy(needed).to(device), unknown)
    lengths = torch.from_numpy(batch.lengths).to(device)
    dropout_masks = None if seeds.dropout_masks is None else seeds.dropout_masks.to(device)
    times = None if batch.times is None else torch.from_numpy(batch.times).to(device)
    states, _ = model.encode_for(
        batch.users, table, index_of(batch.items), lengths, dropout_masks, times
    )
    is_asked = torch.from_numpy(batch.targets > 0).to(device)
    return states[is_asked], model.output_vectors(table), index_of
