"""From a batch to a loss: which candidates each target is compared with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from fedrec.data.sequences import Sequences
from fedrec.models.losses import (
    binary_loss,
    gbce_beta,
    pairwise_loss,
    sampled_softmax_loss,
    softmax_loss,
)
from fedrec.models.recommender import Recommender, device_of
from fedrec.randomness import generator
from fedrec.training.batches import Batch
from fedrec.training.negatives import own_negatives, shared_negatives

Objective = Callable[[Recommender, Batch, "Draws"], Tensor]


@dataclass(frozen=True)
class Draws:
    """Names the streams of one local step.

    Attributes:
        seed: of the run.
        round: number of the round, from 1.
        step: number of the step in the round, from 0.
        keep: (sites, B, L, D) dropout factors or none.
        identity_dropout: share of items shown without their identity.
    """

    seed: int
    round: int
    step: int
    keep: Tensor | None
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
    """The loss of a batch as a function of model, batch and draws.

    Args:
        name: sampled-softmax, softmax, bce, gbce or bpr.
        training: training parts; negatives are drawn from everything but a user's own.
        catalogue: (C,) the items that users may be offered, ascending: all V of them, or those of
            the users' domain. Cold items are left out: they would be negatives again and again
            without ever being a target.
        negatives: K; BCE and BPR take 1 per position whatever K is, as SASRec does.
        log_q: correct sampled softmax for the chance of an item to be drawn.
        calibration: t of gBCE.
    """
    num_items = len(catalogue)
    if name == "softmax":
        return lambda model, batch, draws: _full(model, batch, draws, catalogue)
    if name == "sampled-softmax":
        ratio = math.log(num_items / negatives) if log_q else 0.0
        return lambda model, batch, draws: _sampled(
            model, batch, draws, training, catalogue, negatives, ratio
        )
    if name == "bpr":
        return lambda model, batch, draws: _against_own(
            model, batch, draws, training, catalogue, 1, pairwise_loss
        )
    count = 1 if name == "bce" else negatives
    beta = 1.0 if name == "bce" else gbce_beta(num_items, negatives, calibration)
    return lambda model, batch, draws: _against_own(
        model, batch, draws, training, catalogue, count, partial(binary_loss, beta=beta)
    )


def _full(model: Recommender, batch: Batch, draws: Draws, catalogue: np.ndarray) -> Tensor:
    states, vectors, place = _forward(model, batch, draws, np.append(0, catalogue))
    return softmax_loss(states, vectors[1:], place(batch.targets[batch.targets > 0]) - 1)


def _sampled(
    model: Recommender,
    batch: Batch,
    draws: Draws,
    training: Sequences,
    catalogue: np.ndarray,
    count: int,
    log_ratio: float,
) -> Tensor:
    drawn = shared_negatives(draws.seed, draws.round, draws.step, len(catalogue), count)
    negatives = catalogue[drawn - 1]
    targets = batch.targets[batch.targets > 0]
    needed = np.unique(np.concatenate([batch.items.ravel(), targets, negatives]))
    states, vectors, place = _forward(model, batch, draws, needed)
    seen = np.stack([np.isin(negatives, training.of(int(user))) for user in batch.users])
    refused = torch.from_numpy(np.repeat(seen, batch.counts, axis=0)).to(vectors.device)
    return sampled_softmax_loss(
        states, vectors[place(targets)], vectors[place(negatives)], refused, log_ratio
    )


def _against_own(
    model: Recommender,
    batch: Batch,
    draws: Draws,
    training: Sequences,
    catalogue: np.ndarray,
    count: int,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    rows = [
        own_negatives(
            generator(draws.seed, "negatives", draws.round, draws.step, user),
            training.of(user),
            catalogue,
            total,
            count,
        )
        for user, total in batch.targets_of.items()
    ]
    negatives = np.concatenate(rows)
    targets = batch.targets[batch.targets > 0]
    needed = np.unique(np.concatenate([batch.items.ravel(), targets, negatives.ravel()]))
    states, vectors, place = _forward(model, batch, draws, needed)
    return loss(states, vectors[place(targets)], vectors[place(negatives)])


def _forward(
    model: Recommender, batch: Batch, draws: Draws, needed: np.ndarray
) -> tuple[Tensor, Tensor, Callable[[np.ndarray], Tensor]]:
    """States (M, D) where there is a target, vectors (K, D) of the needed items, item -> row."""
    device = device_of(model)

    def place(items: np.ndarray) -> Tensor:
        return torch.from_numpy(np.searchsorted(needed, items)).to(device)

    unknown = None
    if draws.identity_dropout > 0:
        stream = generator(draws.seed, "identity", draws.round, draws.step)
        dropped = stream.random(int(needed[-1]) + 1) < draws.identity_dropout
        unknown = torch.from_numpy(dropped[needed]).to(device)
    table = model.look_up(torch.from_numpy(needed).to(device), unknown)
    lengths = torch.from_numpy(batch.lengths).to(device)
    keep = None if draws.keep is None else draws.keep.to(device)
    times = None if batch.times is None else torch.from_numpy(batch.times).to(device)
    states, _ = model.encode_for(batch.users, table, place(batch.items), lengths, keep, times)
    is_asked = torch.from_numpy(batch.targets > 0).to(device)
    return states[is_asked], model.output_vectors(table), place
