"""Section ``federation`` of the run config."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import (
    MOST_PASSES,
    Section,
    count,
    fraction,
    one_of,
    rate,
    require,
    share,
)
from fedrec.config.values.choices import (
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

    # Who is a client: a partition (cross-silo), or every user (cross-device).
    unit: str = "partition"
    rounds: int = 20  # rounds of the run
    fraction: float = 1.0  # share of the partitions that are sampled in a round
    cohort: int = 32  # users that are sampled in a round, with unit = user
    # Client sampling with unit = user: cohorts of a fixed size (fixed), each user independently
    # (poisson), or passes over the users in random order (shuffled).
    sampling: str = "fixed"
    # Weight of a user's update: its number of training targets, or the same for all.
    weighting: str = "num-examples"
    # Rows of item embeddings: mean over all users, or over those whose training read the row
    # (sparse).
    row_averaging: str = "all"
    clip_norm: float = 0.0  # bound on the norm of a user's update; 0: none
    download: str = "float32"  # number format of the weights that users receive
    # Number format of a user's update; float16 and int8 use stochastic rounding.
    upload: str = "float32"
    min_participation: float = 0.5  # share of the sampled clients that must send a usable reply
    # Simulated dropout rate: how often a sampled client is unavailable, by the seed.
    drop_out: float = 0.0
    # Largest norm and loss of a reply, times the round's median; of a user's update, times the norm
    # of the sent weights.
    outlier_limit: float = 100.0
    evaluate_every: int = 1  # rounds between two evaluations
    evaluate_fraction: float = 1.0  # share of the partitions, or users, that are evaluated
    # Early stopping: evaluations without a better NDCG@10 before the run ends; 0: never.
    patience: int = 0
    round_timeout: float = 3600.0  # seconds after which a straggler is excluded from its round
    # Clients tell how often each item occurs in training, which items are held out, and the users'
    # original ids.
    share_counts: bool = True
    # Fewest users of a client that tells them: counts over few users are their histories. With
    # unit = user a client is one user, who tells nothing unless this is 1.
    share_counts_min_users: int = 20

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield one_of("federation.unit", self.unit, UNITS)
        yield count("federation.rounds", self.rounds, most=MOST_PASSES)
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
        yield count("federation.share-counts-min-users", self.share_counts_min_users)

    def shares_counts(self, num_users: float) -> bool:
        """Whether a client tells counts per item, held-out items and original ids of its users.

        The one rule for both sides: a client asks it before it sends, the server before it reads.

        Args:
            num_users: Number of users that the client's partition holds.
        """
        together = 1 if self.unit == "user" else num_users
        return self.share_counts and together >= self.share_counts_min_users

    def why_no_counts(self, most_users: float = math.inf) -> str:
        """The keys by which no client tells counts per item; "" where one does.

        Args:
            most_users: Users of the largest partition; without it, only what holds for any data.
        """
        if self.shares_counts(most_users):
            return ""
        if not self.share_counts:
            return "federation.share-counts = false"
        fewest = f"federation.share-counts-min-users = {self.share_counts_min_users}"
        if self.unit == "user":
            return f"{fewest} and federation.unit = 'user' (set the former to 1 to share counts)"
        return f"{fewest}, where the largest client holds {most_users} users"
