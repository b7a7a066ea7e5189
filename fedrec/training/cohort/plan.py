"""What each user of a cohort does in a round."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedrec.errors import ConfigError

OPTIMIZERS = ("sgd", "adam", "adamw")


@dataclass(frozen=True, kw_only=True)
class CohortPlan:
    """What each user does in a round; equal for all.

    Attributes:
        steps: local optimiser steps.
        learning_rate: of the steps.
        schedule_rounds: rounds in which it falls to 0; 0 keeps it.
        optimizer: sgd, adam or adamw; its state starts afresh each round.
        beta_1: of adam and adamw.
        beta_2: of adam and adamw.
        epsilon: of adam and adamw.
        weight_decay: of the optimiser.
        max_length: L, longest window.
        newest_windows: how many windows of the history are read, the newest; 0 for all.
        batch_size: windows in a step; 0 for all of them.
        dropout: p of the masks.
        identity_dropout: share of items shown without their identity.
        proximal_mu: weight of the FedProx term; 0 is FedAvg.
        clip_norm: bound on the norm of a user's update; 0 for none.
        outlier_limit: times the norm of the weights: a user whose update is longer is left out.
        weighting: "num-examples", a user's number of targets, or "uniform", 1.
        upload: how a user's update is sent: float32, or rounded to float16 or int8.
        group_tokens: targets of a group, padding included. The order of float sums hangs on it,
            so it is a setting and never measured.
    """

    steps: int
    learning_rate: float
    schedule_rounds: int = 0
    optimizer: str = "sgd"
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    max_length: int
    newest_windows: int = 0
    batch_size: int = 0
    dropout: float = 0.0
    identity_dropout: float = 0.0
    proximal_mu: float = 0.0
    clip_norm: float = 0.0
    outlier_limit: float = math.inf
    weighting: str = "num-examples"
    upload: str = "float32"
    group_tokens: int = 4096

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ConfigError(f"local.optimizer must be sgd, adam or adamw, got {self.optimizer!r}")

    def shares(self, targets: Sequence[int]) -> list[float]:
        """Weight in the sum of users with so many targets in one pass."""
        return [1.0] * len(targets) if self.weighting == "uniform" else [float(n) for n in targets]

    @property
    def is_one_gradient(self) -> bool:
        """Whether the sum of updates is a gradient; the FedProx pull is 0 where it starts."""
        return (
            self.steps == 1
            and self.optimizer == "sgd"
            and self.weight_decay == 0
            and self.clip_norm == 0
            and self.upload == "float32"
        )
