"""Evaluation and results of local-only training, of partitions and of users alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fedrec.config.config import Config
from fedrec.config.values.choices import names_in
from fedrec.data.preparation.store import Dataset
from fedrec.data.scenarios import TrainingView
from fedrec.data.splits import Stage
from fedrec.evaluation.leave_one_out import Fixed, HeldOutRanks, Scorer, leave_one_out_ranks
from fedrec.evaluation.metrics import ndcg
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.models.recommender import Recommender

STAGES: tuple[Stage, ...] = ("validation", "test")
SELECTED_AT = 10  # NDCG@10 on validation items picks what is kept, as in a federation

ByStage = dict[Stage, HeldOutRanks]


@dataclass(frozen=True)
class Evaluator:
    """Ranks held-out items exactly as the federation's evaluation does.

    Attributes:
        config: Config of the run.
        dataset: Prepared data.
        view: Training view of the data, all that models read of it.
        counts: (V + 1,) Training events over all clients, for candidates drawn by popularity; no
            model sees them.
        fixed: Candidates of "ncf-99", or none.
    """

    config: Config
    dataset: Dataset
    view: TrainingView
    counts: np.ndarray | None
    fixed: Fixed | None

    def scorer(self, model: Recommender) -> Scorer:
        """A model with its catalogue folded once."""
        return model_scorer(model, self.dataset.catalog.num_items, self.config.model.max_length)

    def ranks(
        self, scorer: Scorer, users: np.ndarray, stage: Stage, protocols: Sequence[str] = ()
    ) -> HeldOutRanks:
        """Ranks of users (n,) by a model, by all protocols unless some are named."""
        return leave_one_out_ranks(
            scorer,
            self.dataset.sequences,
            users,
            stage=stage,
            protocols=protocols or self.config.evaluation.protocols,
            num_items=self.dataset.catalog.num_items,
            counts=self.counts,
            seed=self.config.seed,
            fixed=self.fixed,
            domains=self.dataset.domains,
            with_times=bool(names_in(self.config.model.time)),
            inputs=self.view.before(stage),
            genres=self._genres if not protocols else None,
        )

    @cached_property
    def _genres(self) -> np.ndarray | None:
        """(V + 1, G) genres of the items, where those of the first one are compared."""
        asked = self.config.evaluation.genre_jaccard
        return self.dataset.catalog.genre_matrix() if asked else None

    def both(self, model: Recommender, users: np.ndarray) -> ByStage:
        """Validation and test ranks of users (n,), by all protocols."""
        scorer = self.scorer(model)
        return {stage: self.ranks(scorer, users, stage) for stage in STAGES}

    def value(self, found: HeldOutRanks) -> float:
        """What picks the weights to keep: mean NDCG@10 under the main protocol."""
        ranks = found.ranks[self.config.evaluation.main_protocol]
        values = ndcg(ranks, SELECTED_AT)[~np.isnan(ranks)]
        return float(values.mean()) if len(values) else 0.0


@dataclass
class Tally:
    """All clients after the same amount of training; each adds its part.

    Attributes:
        losses: Sums over targets since the tally before, one of each client.
        targets: Number of targets trained on since then.
        seconds: Wall times of training and of evaluation, in seconds.
        ranks: Ranks of validation items, one of each client; empty where nothing was evaluated.
    """

    losses: list[float] = field(default_factory=list)
    targets: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"train": 0.0, "evaluate": 0.0})
    ranks: list[HeldOutRanks] = field(default_factory=list)

    @property
    def loss(self) -> float | None:
        """Mean over all targets; exact, so that the order of the clients changes no bit."""
        return math.fsum(self.losses) / self.targets if self.targets else None


@dataclass(frozen=True)
class LocalOnlyResult:
    """Results of local-only training.

    Attributes:
        tallies: Number of the round, or of steps, -> the clients after it; 0 is the beginning.
        final: Ranks by the kept weights.
        kept: Origin of those weights, for metrics.json: ``best_round``, one for all, or
            ``best_rounds``, one for each partition.
    """

    tallies: dict[int, Tally]
    final: ByStage
    kept: dict[str, Any]


def joined(parts: Sequence[HeldOutRanks]) -> HeldOutRanks:
    """Ranks of several clients' users as one, in order of users."""
    users = np.concatenate([part.users for part in parts])
    order = np.argsort(users, kind="stable")
    of_genres = [part.jaccard for part in parts if part.jaccard is not None]
    return HeldOutRanks(
        users[order],
        np.concatenate([part.targets for part in parts])[order],
        {
            name: np.concatenate([part.ranks[name] for part in parts])[order]
            for name in parts[0].ranks
        },
        np.concatenate([part.num_candidates for part in parts])[order],
        np.sum([part.gates for part in parts], axis=0),
        np.concatenate(of_genres)[order] if of_genres else None,
    )
