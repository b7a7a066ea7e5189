"""A strategy of your own: FedAvg that cuts updates longer than the median one, against FedAvg.

Run it: ``python examples/own_strategy.py``.
"""

from collections.abc import Iterable

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

import fedrec
from fedrec.testing import check_strategy


class MedianClipped(FedAvg):
    """FedAvg over updates of at most ``times`` the round's median norm."""

    def __init__(self, times: float = 1.0) -> None:
        super().__init__()
        self.times = times
        self.current: dict[str, np.ndarray] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note the weights that the coming updates start from."""
        self.current = {name: array.numpy() for name, array in arrays.items()}
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Clip, then average."""
        replies = list(replies)
        updates = [
            {
                name: sent.numpy() - self.current[name]
                for name, sent in reply.content["arrays"].items()
            }
            for reply in replies
        ]
        norms = [np.sqrt(sum((a**2).sum() for a in update.values())) for update in updates]
        bound = self.times * float(np.median(norms))
        for reply, update, norm in zip(replies, updates, norms, strict=True):
            scale = min(1.0, bound / norm) if norm else 1.0
            reply.content["arrays"] = ArrayRecord(
                {
                    name: Array(np.asarray(self.current[name] + scale * change))
                    for name, change in update.items()
                }
            )
        return super().aggregate_train(server_round, replies)


check_strategy(MedianClipped)
print("MedianClipped aggregates the same bytes twice, and after a checkpoint")

settings = {
    "data.source": "synthetic:users=300,items=120",
    "partition.count": 6,
    "partition.by": "taste",
    "federation.rounds": 4,
    "model.name": "sasrec",
    "model.width": 16,
    "model.hidden": 32,
    "model.max-length": 20,
    "loss.name": "softmax",
    "local.learning-rate": 0.01,
}
for strategy in (FedAvg(), MedianClipped(times=0.5)):
    run = fedrec.simulate(settings, strategy=strategy)
    curve = [f"{value:.3f}" for value in run.rounds["NDCG@10"]]
    print(f"{type(strategy).__name__:14} validation NDCG@10 by round: {' '.join(curve)}")
