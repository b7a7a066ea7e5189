"""Parts of a model, as every class of ``fedrec.config.values.choices.MODELS`` gets them.

A class takes what it needs in ``Recommender.build``; by default that is ID embeddings and encoder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.models.layers.encoder import SequenceEncoder
from fedrec.models.layers.neighbour_smoothing import NeighbourSmoothing
from fedrec.randomness import generator

ROW_STD = 0.02  # of a component of initial ID embeddings; other views start at their norm


def torch_stream(seed: int, *path: str) -> torch.Generator:
    """Random stream of torch for one purpose; see ``fedrec.randomness.generator``."""
    return torch.Generator().manual_seed(int(generator(seed, *path).integers(2**63)))


class ItemFeatures(NamedTuple):
    """What a catalogue says of its items, for models that train their own embeddings of it.

    Attributes:
        words: (V + 1, T) int64 Words of the titles, see ``fedrec.data.title_words``; row 0 is zero.
        num_words: W, words of the vocabulary.
        genres: (V + 1, G) Multi-hot genres, row 0 zero; G is at least 1.
    """

    words: Tensor
    num_words: int
    genres: Tensor


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """Parts of a model with initial weights drawn from the run's seed.

    Attributes:
        rows: (V + 1, D) Initial ID embeddings.
        encoder: Sequence encoder.
        width: D.
        hidden: H, size of a feed-forward layer or of a recurrent state.
        blocks: Layers of a model that makes them by itself.
        seed: Seed of the run.
        users: (U,) Global numbers of the users held here, ascending.
        frequency: (V + 1,) Training events per item over all clients, zeros where unknown.
        views: Makes the views by name, in their order; called once, by models with several views.
        fusion: Makes the fusion of so many views.
        smoothing: Smoothing of cold items over semantic neighbours, or None.
        semantic: (V + 1, S) Frozen embedding table, or None where none is read.
        experts: G, experts of a mixture.
        features: Gives title words and genres of the items.
    """

    rows: Tensor
    encoder: SequenceEncoder
    width: int
    hidden: int
    blocks: int
    seed: int
    users: np.ndarray
    frequency: Tensor
    views: Callable[[], Mapping[str, nn.Module]]
    fusion: Callable[[int], nn.Module]
    smoothing: NeighbourSmoothing | None
    semantic: Tensor | None
    experts: int
    features: Callable[[], ItemFeatures]
