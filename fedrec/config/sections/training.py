"""Sections of the run config that say how a model is trained: loss, clients, server."""

import math
from dataclasses import dataclass

from fedrec.config.checks import count, fraction, one_of, rate, require, share
from fedrec.config.choices import LOSSES


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What training minimises."""

    name: str = "sampled-softmax"
    negatives: int = 256  # where cold items leave fewer: all that are not cold
    log_q: bool = True  # sampled-softmax: correct for how seldom an item is drawn
    calibration: float = 0.75  # t of gbce

    def __post_init__(self) -> None:
        one_of("loss.name", self.name, LOSSES, dotted=True)
        count("loss.negatives", self.negatives)
        require(0 <= self.calibration <= 1, "loss.calibration", "between 0 and 1", self.calibration)


@dataclass(frozen=True, kw_only=True)
class Local:
    """What one client does in one round."""

    epochs: int = 1
    steps: int = 0  # 0: whole epochs; else this many batches a round
    batch_size: int = 8
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    decay_rounds: int = 0  # rounds in which the rate falls in a straight line to 0; 0: it stays
    beta_1: float = 0.9
    beta_2: float = 0.98
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float = 0.0  # 0: no clipping of the local gradient
    optimizer_state: str = "keep"
    windows: int = 1  # of model.max-length targets in a user's history, newest first; 0: all
    group_tokens: int = 4096  # targets that are trained side by side, with unit = "user"

    def __post_init__(self) -> None:
        count("local.epochs", self.epochs)
        count("local.steps", self.steps, 0)
        count("local.batch-size", self.batch_size)
        one_of("local.optimizer", self.optimizer, ("adam", "adamw", "sgd"))
        rate("local.learning-rate", self.learning_rate)
        count("local.decay-rounds", self.decay_rounds, 0)
        share("local.beta-1", self.beta_1)
        share("local.beta-2", self.beta_2)
        rate("local.epsilon", self.epsilon)
        rate("local.weight-decay", self.weight_decay, positive=False)
        rate("local.clip-norm", self.clip_norm, positive=False)
        one_of("local.optimizer-state", self.optimizer_state, ("keep", "reset"))
        count("local.windows", self.windows, 0)
        count("local.group-tokens", self.group_tokens)


@dataclass(frozen=True, kw_only=True)
class Federation:
    """Who takes part, for how long, and when the global model is judged."""

    unit: str = "partition"  # who is a client: a partition, or every user
    rounds: int = 20
    fraction: float = 1.0  # of the partitions, a round
    cohort: int = 32  # users a round, with unit = "user"
    sampling: str = "fixed"  # "poisson": every user by itself, cohort of them on average
    weighting: str = "targets"  # of a user's update: its training targets, or "uniform"
    row_mean: str = "all"  # item rows: mean over all users, or over those who "touched" the row
    clip_norm: float = 0.0  # bound on the norm of a user's update; 0: none
    download: str = "float32"  # how weights are sent to users: "float16" rounds them
    upload: str = "float32"  # how a user's update is sent: "float16" and "int8" round it at random
    min_participation: float = 0.5
    drop_out: float = 0.0  # simulated: a chosen client is away this often, by the seed
    # Largest norm and loss of a reply, times the round's median; of a user's update, times the
    # norm of the sent weights.
    outlier_limit: float = 100.0
    evaluate_every: int = 1
    evaluate_fraction: float = 1.0
    patience: int = 0  # evaluations without a better NDCG@10 before stopping; 0: never
    round_timeout: float = 3600.0
    share_counts: bool = True

    def __post_init__(self) -> None:
        one_of("federation.unit", self.unit, ("partition", "user"))
        count("federation.rounds", self.rounds)
        fraction("federation.fraction", self.fraction)
        count("federation.cohort", self.cohort)
        one_of("federation.sampling", self.sampling, ("fixed", "poisson"))
        one_of("federation.weighting", self.weighting, ("targets", "uniform"))
        one_of("federation.row-mean", self.row_mean, ("all", "touched"))
        rate("federation.clip-norm", self.clip_norm, positive=False)
        one_of("federation.download", self.download, ("float32", "float16"))
        one_of("federation.upload", self.upload, ("float32", "float16", "int8"))
        fraction("federation.min-participation", self.min_participation)
        share("federation.drop-out", self.drop_out)
        limit = self.outlier_limit
        require(1 < limit < math.inf, "federation.outlier-limit", "a finite number above 1", limit)
        count("federation.evaluate-every", self.evaluate_every)
        fraction("federation.evaluate-fraction", self.evaluate_fraction)
        count("federation.patience", self.patience, 0)
        rate("federation.round-timeout", self.round_timeout)


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How updates become the next global model."""

    name: str = "fedavg"
    options: str = ""  # as in an inline table of TOML: 'proximal-mu = 0.01'

    def __post_init__(self) -> None:
        require(bool(self.name), "strategy.name", "a strategy", self.name)
