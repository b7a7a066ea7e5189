"""Adam on the server, which Flower has in another form."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fedrec.models.parameters import NamedArrays
from fedrec.training.schedule import scheduled_rate


class ServerAdam(FedAvg):
    """Adam on the server: the mean update is a gradient, its state lasts over rounds.

    Equal to ``torch.optim.Adam`` on minus the mean update, counting accepted rounds only.
    (Flower's FedAdam counts its exponent from round + 1, so its first step is .744 of the rate,
    and adds tau to the root before the bias correction.) Reddi et al., ICLR 2021; Kingma & Ba,
    ICLR 2015.

    Args:
        learning_rate: Learning rate.
        beta_1: Decay of the first moment, the mean of updates.
        beta_2: Decay of the second moment, the mean of their squares.
        epsilon: Constant added to the root of the corrected second moment.
        schedule_rounds: Accepted rounds over which the learning-rate schedule falls linearly to 0;
            0 for a constant rate.
        **options: Options of Flower's FedAvg.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.98,
        epsilon: float = 1e-8,
        schedule_rounds: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.schedule_rounds = schedule_rounds
        self.accepted_rounds = 0
        self.current: NamedArrays = {}
        self.first: NamedArrays = {}
        self.second: NamedArrays = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Remember the weights that the updates of this round start from."""
        self.current = {name: array.numpy() for name, array in arrays.items()}
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Take one Adam step along the mean update."""
        mean, metrics = super().aggregate_train(server_round, replies)
        if mean is None:
            return None, metrics
        rate = scheduled_rate(self.learning_rate, self.schedule_rounds, self.accepted_rounds)
        self.accepted_rounds += 1
        rate /= 1 - self.beta_1**self.accepted_rounds
        correction = 1 - self.beta_2**self.accepted_rounds
        stepped = {}
        for name, array in mean.items():
            gradient = self.current[name] - array.numpy()
            zeros = np.zeros_like(gradient)
            first = self.beta_1 * self.first.get(name, zeros) + (1 - self.beta_1) * gradient
            second = self.beta_2 * self.second.get(name, zeros) + (1 - self.beta_2) * gradient**2
            self.first[name], self.second[name] = first, second
            step = rate * first / (np.sqrt(second / correction) + self.epsilon)
            stepped[name] = Array(np.asarray(self.current[name] - step))
        return ArrayRecord(stepped), metrics

    def state_dict(self) -> NamedArrays:
        """State for the next round: moments by parameter name and the count of rounds."""
        state = {f"first/{name}": array for name, array in self.first.items()}
        state |= {f"second/{name}": array for name, array in self.second.items()}
        return state | {"accepted-rounds": np.array(self.accepted_rounds)}

    def load_state_dict(self, state: NamedArrays) -> None:
        """Restore what ``state_dict`` returned."""
        for kind, moments in (("first", self.first), ("second", self.second)):
            prefix = f"{kind}/"
            moments.clear()
            moments |= {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)}
        self.accepted_rounds = int(state["accepted-rounds"])
