"""The users of a round trained one by one with torch.optim, and what the tests of them share."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from fedrec.factory.training import make_plan
from fedrec.models.parameters import load_arrays
from fedrec.training.batches import collate
from fedrec.training.local import proximal_penalty
from fedrec.training.negatives import shared_negatives
from fedrec.training.objective import StepSeeds, make_objective

USERS = {
    "federation.unit": "user",
    "federation.cohort": 20,
    "local.optimizer-state": "reset",
    "local.optimizer": "sgd",
    "local.learning-rate": 0.5,
    "local.steps": 1,
    "model.dropout": 0.2,
    "model.identity-dropout": 0.1,
    "loss.name": "sampled-softmax",
    "partition.count": 3,
}


@dataclass(frozen=True)
class One:
    """What came of one user: its targets of a pass, update, mean loss, and items it read."""

    user: int
    targets: int
    update: dict[str, np.ndarray]
    loss: float
    read: np.ndarray

    @property
    def norm(self) -> float:
        """Length of the update."""
        return float(np.linalg.norm(np.concatenate([u.ravel() for u in self.update.values()])))


def one_by_one(federation, opened, precision=None, mu=0.0, sent=None) -> Iterator[One]:
    """Each sampled user of round 1 alone, from the first weights or those that are sent."""
    config = federation.config
    local, settings, num_negatives = config.local, config.model, config.loss.negatives
    num_items, training, model = opened(config)
    if precision is not None:
        precision.model(model)
    objective = make_objective(
        "sampled-softmax",
        training=training,
        catalogue=np.arange(1, num_items + 1),
        negatives=num_negatives,
        log_q=True,
        calibration=0.75,
    )
    sent = sent or {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    anchor = {name: p.detach().clone() for name, p in model.named_parameters()}
    steps = range(local.steps)
    drawn = np.concatenate(
        [shared_negatives(0, 1, step, num_items, num_negatives) for step in steps]
    )
    for user in federation.clients.population.sample(
        config.federation.cohort, sampling="fixed", seed=0, round=1
    ):
        load_arrays(model, sent, sent)
        optimizer = torch.optim.SGD(model.parameters(), lr=local.learning_rate)
        batch = collate(training, np.array([user]), settings.max_length)
        losses = []
        for step in steps:
            optimizer.zero_grad()
            unknown = make_plan(config, mu).identity_dropout
            loss = objective(
                model,
                batch,
                StepSeeds(
                    seed=0,
                    round=1,
                    step=step,
                    dropout=settings.dropout,
                    identity_dropout=unknown,
                ),
            )
            losses.append(loss.item())
            (loss + proximal_penalty(model, anchor, mu) if mu else loss).backward()
            optimizer.step()
        update = {
            name: parameter.detach().numpy().astype(np.float64) - sent[name]
            for name, parameter in model.named_parameters()
        }
        read = np.unique(np.concatenate([batch.items.ravel(), batch.targets.ravel(), drawn]))
        yield One(int(user), batch.num_targets, update, float(np.mean(losses)), read)


def apart(one, other):
    """The largest distance between two models."""
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)
