"""Multi-domain training: targets are compared with items of their own domain alone.

A batch is cut by domain, and each part has the ordinary loss over its own catalogue; the negatives
of a silo are thus the ones that it would draw if it trained alone. Drawing from the union and
refusing what is foreign would be as unbiased: an item is among K seeds from V with chance K / V
wherever it is sold, so V / K times the sum over those drawn that are one's own stands for the sum
over one's own catalogue. But of K seeds only K * C / V would count in a catalogue of C items, so
that the smallest domain, which needs help most, would have the noisiest loss.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedrec.models.recommender import Recommender
from fedrec.training.batches import Batch
from fedrec.training.objective import Objective, StepSeeds


def each_in_its_domain(objectives: Sequence[Objective], of_user: np.ndarray) -> Objective:
    """The mean over targets of the losses of each domain's users.

    Args:
        objectives: Objective of each domain, over its own catalogue.
        of_user: (U,) Domain of each user.
    """

    def objective(model: Recommender, batch: Batch, seeds: StepSeeds) -> Tensor:
        domains = of_user[batch.users]
        present = [int(domain) for domain in np.unique(domains)]
        if len(present) == 1:  # a silo's every batch
            return objectives[present[0]](model, batch, seeds)
        parts = []
        for domain in present:
            rows = np.flatnonzero(domains == domain)
            own = _rows_of(batch, rows)
            loss = objectives[domain](model, own, seeds)
            parts.append(loss * (own.num_targets / batch.num_targets))
        return torch.stack(parts).sum()

    return objective


def _rows_of(batch: Batch, rows: np.ndarray) -> Batch:
    """Some windows of a batch, as wide as they were."""
    cut: dict[str, Any] = {}
    for field in fields(batch):
        array = getattr(batch, field.name)
        cut[field.name] = None if array is None else array[rows]
    return Batch(**cut)
