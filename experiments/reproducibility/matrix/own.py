"""Code of a user, a piece for each key that takes "package.module:name", for the matrix."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from numpy.typing import NDArray
from torch import Tensor, nn

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions
from fedrec.data.partitions.rules import PartitionFacts
from fedrec.data.synthetic.generator import generate
from fedrec.data.synthetic.world import SyntheticSpec
from fedrec.models.recommender import ItemTable
from fedrec.models.sasrec import SASRec

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Tempered(SASRec):
    """Model: SASRec that learns a temperature of its scores."""

    def __init__(self, rows: Tensor, encoder: Any) -> None:
        super().__init__(rows, encoder)
        self.log_scale = nn.Parameter(torch.zeros(1))

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Scaled output vectors, (K, D)."""
        return super().output_vectors(table) * self.log_scale.exp()


def title_length(catalog: Catalog) -> NDArray[np.float32]:
    """View: how long the title is, (V + 1, 1)."""
    table = np.zeros((catalog.num_items + 1, 1), dtype=np.float32)
    table[1:, 0] = [len(title) / 100 for title in catalog.titles]
    return table


def hinge(targets: Tensor, negatives: Tensor) -> Tensor:
    """Loss: mean over the negatives of how far each is from losing by 1, (N,)."""
    return (1 - targets.unsqueeze(-1) + negatives).clamp(min=0).mean(dim=-1)


class Letters:
    """Text encoder: counts of letters."""

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Rows (n, 26)."""
        rows = [[1 + text.lower().count(letter) for letter in LETTERS] for text in texts]
        return np.asarray(rows, dtype=np.float32)


class HalfWay(FedAvg):
    """Strategy: FedAvg that goes half of the way."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note the weights that the coming updates start from."""
        self.current = {name: array.numpy() for name, array in arrays.items()}
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Mean of what it was and what FedAvg makes of it."""
        mean, metrics = super().aggregate_train(server_round, replies)
        if mean is None:
            return mean, metrics
        halves = {name: (self.current[name] + new.numpy()) / 2 for name, new in mean.items()}
        return ArrayRecord({name: Array(half) for name, half in halves.items()}), metrics


def dealt(facts: PartitionFacts, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Partition rule: users in turn, in a drawn order."""
    return np.argsort(rng.permutation(facts.num_users)) % count


def mean_percentile(ranks: NDArray[np.float64], num_candidates: int) -> NDArray[np.float64]:
    """Metric: share of the candidates that the target beats."""
    return 1 - (ranks - 1) / num_candidates


def events() -> Interactions:
    """Data source: a small world of its own."""
    return generate(SyntheticSpec(users=90, items=60), seed=3)
