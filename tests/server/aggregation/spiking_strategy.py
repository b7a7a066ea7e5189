"""A strategy of the user's own that breaks, for one round, all users whose training reads an item.

Named in a config as ``"tests.server.aggregation.spiking_strategy:Spiking"``: nothing of the run is
replaced.
"""

from collections.abc import Iterable
from typing import Any

from flwr.app import Array, ArrayRecord, Message, MetricRecord
from flwr.serverapp.strategy import FedAvg

NAME = "tests.server.aggregation.spiking_strategy:Spiking"
SPIKE = 1e38  # finite in float32; its square is not


class Spiking(FedAvg):
    """FedAvg; after one round an item's row is too large to train with, and 0 from then on.

    Args:
        item: whose row.
        spiked: the round after which it is large.
        **options: of Flower's FedAvg.
    """

    def __init__(self, item: int, spiked: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.item, self.spiked = item, spiked

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The mean of Flower's FedAvg, but for one row."""
        mean, metrics = super().aggregate_train(server_round, replies)
        if mean is not None and server_round >= self.spiked:
            [name] = [name for name in mean if name.endswith("identity.rows")]
            rows = mean[name].numpy().copy()
            rows[self.item] = SPIKE if server_round == self.spiked else 0.0
            mean[name] = Array(rows)
        return mean, metrics
