"""Lists of the next items for test users: by the run's model, by counting, by neighbours."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clients.baselines import plain_scorer
from clients.local_data import LocalData, training_events
from fedrec.baselines.names import ITEM_KNN, MARKOV, POPULARITY
from fedrec.config.config import Config
from fedrec.data.evaluated import evaluated_users
from fedrec.data.splits import HELD_OUT, Stage
from fedrec.errors import DataError
from fedrec.factory.data import PreparedData, open_prepared
from fedrec.inference.recommender import ReadyRecommender
from fedrec.training.batches import num_targets

COUNTED = (POPULARITY, MARKOV, ITEM_KNN)
BATCH = 256


@dataclass(frozen=True)
class Asked:
    """Users who are asked for, what is read of each, and what they had next.

    Attributes:
        users: (U,) Numbers of the users.
        histories: Items of each before the target.
        items: (U, T) The true items that followed, the next one first.
    """

    users: NDArray[np.int64]
    histories: list[NDArray[np.int64]]
    items: NDArray[np.int64]


def sample_of(able: NDArray[np.bool_], count: int, stage: Stage, seed: int) -> NDArray[np.int64]:
    """Numbers of ``count`` users of those who are able (U,), drawn by the seed; all if fewer."""
    numbers = np.flatnonzero(able)
    size = min(count, len(numbers))
    return numbers[evaluated_users(len(numbers), stage, seed=seed, sample=size)]


class StageOne:
    """A finished first stage, its data, and lists of it and of what needs no training.

    Args:
        ready: Recommender of the run.
        length: K of every list.
        users: How many users of a stage are asked for, a seeded sample; fewer if there are fewer.
    """

    def __init__(self, ready: ReadyRecommender, length: int, users: int) -> None:
        self.ready, self.length, self._count = ready, length, users

    @property
    def config(self) -> Config:
        """Config of the run."""
        return self.ready.config

    @cached_property
    def prepared(self) -> PreparedData:
        """Prepared data of the run."""
        return open_prepared(self.config)

    def asked(self, stage: Stage, following: int = 1) -> Asked:
        """Sampled users of a stage, with the true items from their target on.

        Args:
            stage: "validation" or "test".
            following: T; more than 1 at the test asks so many items before the end.

        Raises:
            DataError: No user has so many events.
        """
        sequences = self.ready.dataset.sequences
        able = evaluated_users(
            sequences.num_users,
            stage,
            seed=self.config.seed,
            unseen=self.config.scenario.unseen_users,
        )
        behind = HELD_OUT[stage] + following - 1
        able &= sequences.lengths() > behind
        if not able.any():
            raise DataError(f"no user of the {stage} has {behind + 1} events or more")
        users = sample_of(able, self._count, stage, self.config.seed)
        whole = [sequences.of(int(user)).astype(np.int64) for user in users]
        ends = [len(items) - behind for items in whole]
        return Asked(
            users,
            [items[:end] for items, end in zip(whole, ends, strict=True)],
            np.stack(
                [items[end : end + following] for items, end in zip(whole, ends, strict=True)]
            ),
        )

    def lists(self, histories: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        """(U, K) Items of the run's model, the best first, without those of the history."""
        return self.ready.search.top(histories, self.length).items.astype(np.int64)

    def counted(self, name: str, histories: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        """(U, K) Items of a baseline that trains nothing by gradients.

        Args:
            name: One of ``COUNTED``.
            histories: U histories.
        """
        scorer = plain_scorer(name, self._everybody, training_events(self._everybody))
        found = []
        for start in range(0, len(histories), BATCH):
            some = histories[start : start + BATCH]
            scores = scorer(some, None, None).scores.astype(np.float64)
            scores[:, 0] = -np.inf
            for row, history in enumerate(some):
                scores[row, history] = -np.inf
            found.append(np.argsort(-scores, axis=1, kind="stable")[:, : self.length])
        return np.concatenate(found).astype(np.int64)

    @cached_property
    def _everybody(self) -> LocalData:
        users = np.arange(self.ready.dataset.sequences.num_users)
        counts = num_targets(self.prepared.model_view.training, users, 1, 1)
        return LocalData(prepared=self.prepared, users=users, targets=counts)
