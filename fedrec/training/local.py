"""Local training of a client: optimiser steps over its users' sequences."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.data.sequences import Sequences
from fedrec.errors import DataError, TrainingError
from fedrec.models.recommender import Recommender
from fedrec.randomness import generator
from fedrec.training.batches import Batch, collate, epoch_order
from fedrec.training.cloze import cloze
from fedrec.training.frozen_buffers import frozen_buffers
from fedrec.training.objective import Objective, StepSeeds
from fedrec.training.schedule import set_scheduled_rate


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Amount of local training in a round, and its noise.

    Attributes:
        epochs: Passes over the client's users, where ``steps`` is 0.
        steps: Batches a round instead; successive rounds go on through the same pass, so that
            every user of a client that takes part each time is trained before one comes again.
        batch_size: Users per batch.
        random_batches: Whether the users of a batch are random ones, not alike in length.
        max_length: Length of the longest window of a user's history.
        windows: Number of windows of a user that are read, newest first; 0 for all.
        dropout: P of the masks.
        identity_dropout: Share of items shown without their identity.
        mask_share: Share of the items that a model with the task "cloze" has to guess.
        proximal_mu: Weight of the FedProx term; 0 is FedAvg.
        clip_norm: Bound on the gradient's norm; 0 for none.
        schedule_rounds: Rounds in which the optimiser's rate falls to 0; 0 keeps it.
    """

    epochs: int
    steps: int
    batch_size: int
    max_length: int
    windows: int = 1
    random_batches: bool = False
    dropout: float
    identity_dropout: float
    mask_share: float = 0.2
    proximal_mu: float = 0.0
    clip_norm: float = 0.0
    schedule_rounds: int = 0


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """Result of local training: mean loss, number of targets, number of steps.

    The cloze task's mean is over what was hidden, a share of those items; they are counted as for
    any other task, so that a pass comes to what the client declared.
    """

    loss: float
    targets: int
    steps: int


def proximal_penalty(model: nn.Module, anchor: Mapping[str, Tensor], mu: float) -> Tensor:
    """mu/2 * ||w - w_global||^2 over the shared parameters, the FedProx term.

    The norm is squared: its gradient is mu * (w - w_global), which fades as the
    client comes back to the global model. Li et al., MLSys 2020, eq. (2).
    """
    now = dict(model.named_parameters())
    distances = [(now[name] - start).square().sum() for name, start in anchor.items()]
    return mu / 2 * torch.stack(distances).sum()


def fit(
    model: Recommender,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    training: Sequences,
    users: np.ndarray,
    *,
    plan: Plan,
    seed: int,
    round: int,
    partition: int,
    anchor: Mapping[str, Tensor] | None = None,
) -> FitResult:
    """Train a model in place for one round; a pure function of weights, seed, round, partition.

    Args:
        model: Model that holds the weights to start from.
        optimizer: Over the model's trained parameters, with whatever state it was given.
        objective: Loss of a batch.
        training: Training parts of all users; only ``users`` are read.
        users: Global numbers of this client's users.
        plan: Amount of training and of noise.
        seed: Seed of the run.
        round: Number of the round, from 1.
        partition: Number of the client, names the stream of its batches.
        anchor: The shared parameters as they were sent, for FedProx.

    Raises:
        ConfigError: The model writes to a buffer.
        DataError: None of the users has two training events.
        TrainingError: The loss of a step is NaN or infinite.
    """
    with frozen_buffers(model):
        model.train()
        set_scheduled_rate(optimizer, plan.schedule_rounds, round - 1)
        total, asked, targets, steps = 0.0, 0, 0, 0
        batches = _batches(
            training, users, plan, seed, round, partition, with_times=model.needs_times
        )
        for step, batch in enumerate(batches):
            targets += batch.num_targets
            if model.task == "cloze":
                batch = cloze(
                    batch,
                    plan.mask_share,
                    max_length=plan.max_length,
                    seed=seed,
                    round=round,
                    step=step,
                )
            seeds = StepSeeds(
                seed=seed,
                round=round,
                step=step,
                dropout=plan.dropout,
                identity_dropout=plan.identity_dropout,
                in_groups=plan.random_batches,
            )
            loss = objective(model, batch, seeds)
            penalized = loss
            if plan.proximal_mu > 0 and anchor:
                penalized = loss + proximal_penalty(model, anchor, plan.proximal_mu)
            optimizer.zero_grad(set_to_none=True)
            penalized.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            if plan.clip_norm > 0:
                nn.utils.clip_grad_norm_(model.parameters(), plan.clip_norm)
            optimizer.step()
            value = loss.item()  # waits for the device, so it is read once and last
            if not math.isfinite(value):
                raise TrainingError(
                    f"its training diverged: loss {value} at step {step + 1}; "
                    "lower local.learning-rate or set local.clip-norm"
                )
            total += value * batch.num_targets
            asked += batch.num_targets
            steps += 1
        model.personalise()
        return FitResult(loss=total / asked, targets=targets, steps=steps)


def _batches(
    training: Sequences,
    users: np.ndarray,
    plan: Plan,
    seed: int,
    round: int,
    partition: int,
    *,
    with_times: bool = False,
) -> Iterator[Batch]:
    """Batches of one round: whole passes, or the next few of a pass that rounds share."""

    def order(epoch: int) -> list[np.ndarray]:
        stream = generator(seed, "batches", epoch, partition)
        return epoch_order(training, users, plan.batch_size, stream, at_random=plan.random_batches)

    per_epoch = len(order(0))
    if per_epoch == 0:
        raise DataError(
            f"none of the {len(users)} users of partition {partition} has two training events; "
            "lower partition.count, raise data.min-user-events or hide less of them (scenario.*)"
        )
    count = plan.steps or plan.epochs * per_epoch
    first = (round - 1) * count
    epoch, batches = -1, []
    for number in range(first, first + count):
        if number // per_epoch != epoch:
            epoch = number // per_epoch
            batches = order(epoch)
        chosen = batches[number % per_epoch]
        yield collate(training, chosen, plan.max_length, plan.windows, with_times=with_times)


def make_optimizer(
    model: nn.Module,
    name: str,
    *,
    learning_rate: float,
    beta_1: float = 0.9,
    beta_2: float,
    epsilon: float = 1e-8,
    weight_decay: float,
) -> torch.optim.Optimizer:
    """Optimiser over all trained parameters: adam, adamw or sgd.

    The fused kernels do the same arithmetic in one pass over memory.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(
        parameters,
        lr=learning_rate,
        betas=(beta_1, beta_2),
        eps=epsilon,
        weight_decay=weight_decay,
        fused=True,
    )
