"""Plan of the local training of one-user clients."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedrec.config.values.choices import OPTIMIZERS
from fedrec.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CohortPlan:
    """Local training of each user in a round; equal for all.

    Attributes:
        steps: Local optimiser steps.
        learning_rate: Learning rate of the steps.
        schedule_rounds: Rounds in which it falls to 0; 0 keeps it.
        optimizer: sgd, adam or adamw; its state starts afresh each round.
        beta_1: Beta 1 of adam and adamw.
        beta_2: Beta 2 of adam and adamw.
        epsilon: Epsilon of adam and adamw.
        weight_decay: Weight decay of the optimiser.
        max_length: L, longest window.
        newest_windows: Number of windows of the history that are read, the newest; 0 for all.
        batch_size: Windows in a step; 0 for all of them.
        dropout: P of the masks.
        identity_dropout: Share of items shown without their identity.
        proximal_mu: Weight of the FedProx term; 0 is FedAvg.
        clip_norm: Bound on the norm of a user's update; 0 for none.
        outlier_limit: Times the norm of the weights: a user whose update is longer is left out.
        weighting: "num-examples", a user's number of targets, or "uniform", 1.
        upload: Type in which a user's update is sent: float32, float16 or int8.
        group_tokens: Targets of a group, padding included. The order of float sums hangs on it,
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
        """Whether the sum of updates is a gradient: none of them is clipped or rounded first."""
        return self.is_one_step and self.clip_norm == 0 and self.upload == "float32"

    @property
    def is_one_step(self) -> bool:
        """Whether an update is a gradient at the shared weights; FedProx' pull is 0 there."""
        return self.steps == 1 and self.optimizer == "sgd" and self.weight_decay == 0
