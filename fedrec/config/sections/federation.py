"""Section ``federation`` of the run config."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.checks import Section, count, fraction, one_of, rate, require, share
from fedrec.config.choices import (
    DOWNLOAD_TYPES,
    ROW_AVERAGINGS,
    SAMPLINGS,
    UNITS,
    UPLOAD_TYPES,
    WEIGHTINGS,
)


@dataclass(frozen=True, kw_only=True)
class Federation(Section):
    """Client sampling, aggregation, evaluation of the global model and early stopping."""

    unit: str = "partition"  # who is a client: a partition, or every user
    rounds: int = 20
    fraction: float = 1.0  # of the partitions, a round
    cohort: int = 32  # users a round, with unit = "user"
    sampling: str = "fixed"  # "poisson": every user by itself, cohort of them on average
    weighting: str = "num-examples"  # of a user's update: its training targets; or "uniform"
    row_averaging: str = "all"  # of item rows: over all users; "sparse": over those who trained it
    clip_norm: float = 0.0  # bound on the norm of a user's update; 0: none
    download: str = "float32"  # how weights are sent to users: "float16" rounds them
    upload: str = "float32"  # how a user's update is sent: "float16" and "int8" round it at random
    min_participation: float = 0.5
    drop_out: float = 0.0  # simulated: a sampled client is unavailable this often, by the seed
    # Largest norm and loss of a reply, times the round's median; of a user's update, times the
    # norm of the sent weights.
    outlier_limit: float = 100.0
    evaluate_every: int = 1
    evaluate_fraction: float = 1.0
    patience: int = 0  # evaluations without a better NDCG@10 before stopping; 0: never
    round_timeout: float = 3600.0
    share_counts: bool = True

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield one_of("federation.unit", self.unit, UNITS)
        yield count("federation.rounds", self.rounds)
        yield fraction("federation.fraction", self.fraction)
        yield count("federation.cohort", self.cohort)
        yield one_of("federation.sampling", self.sampling, SAMPLINGS)
        yield one_of("federation.weighting", self.weighting, WEIGHTINGS)
        yield one_of("federation.row-averaging", self.row_averaging, ROW_AVERAGINGS)
        yield rate("federation.clip-norm", self.clip_norm, positive=False)
        yield one_of("federation.download", self.download, DOWNLOAD_TYPES)
        yield one_of("federation.upload", self.upload, UPLOAD_TYPES)
        yield fraction("federation.min-participation", self.min_participation)
        yield share("federation.drop-out", self.drop_out)
        limit = self.outlier_limit
        good = 1 < limit < math.inf
        yield require(good, "federation.outlier-limit", "a finite number above 1", limit)
        yield count("federation.evaluate-every", self.evaluate_every)
        yield fraction("federation.evaluate-fraction", self.evaluate_fraction)
        yield count("federation.patience", self.patience, 0)
        yield rate("federation.round-timeout", self.round_timeout)
