"""Parts of a model, as every class of ``fedrec.config.values.choices.MODELS`` gets them.

A class takes what it needs in ``Recommender.build``; by default that is ID embeddings and encoder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from fedrec.models.layers.encoder import SequenceEncoder
from fedrec.models.layers.neighbour_smoothing import NeighbourSmoothing

ROW_STD = 0.02  # of a component of initial ID embeddings; other views start at their norm


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """Parts of a model with initial weights drawn from the run's seed.

    Attributes:
        rows: (V + 1, D) Initial ID embeddings.
        encoder: Sequence encoder.
        width: D.
        seed: Seed of the run.
        users: (U,) Global numbers of the users held here, ascending.
        frequency: (V + 1,) Training events per item over all clients, zeros where unknown.
        views: Makes the views by name, in their order; called once, by models with several views.
        fusion: Makes the fusion of so many views.
        smoothing: Smoothing of cold items over semantic neighbours, or None.
    """

    rows: Tensor
    encoder: SequenceEncoder
    width: int
    seed: int
    users: np.ndarray
    frequency: Tensor
    views: Callable[[], Mapping[str, nn.Module]]
    fusion: Callable[[int], nn.Module]
    smoothing: NeighbourSmoothing | None
