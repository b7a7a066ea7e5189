"""The training data of one partition, opened once per process."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from fedrec.config.config import Config
from fedrec.data.partition import users_of
from fedrec.data.scenarios import Seen
from fedrec.data.sequences import Sequences
from fedrec.data.store import Dataset
from fedrec.factory.checks import check_times
from fedrec.factory.data import (
    followed,
    open_data,
    partition_of,
    prepare_data,
    seen_of,
)
from fedrec.training.batches import num_targets


@dataclass(frozen=True, eq=False)  # one of a kind, so that it can be the key of a cache
class LocalData:
    """What one partition holds.

    Attributes:
        dataset: the prepared data.
        seen: what models get to see of all users, the training parts as the model is trained on
            them; only this partition's are read.
        users: (U,) global numbers of the partition's users.
        targets: (U,) training targets of one pass over each user.
    """

    dataset: Dataset
    seen: Seen
    users: np.ndarray
    targets: np.ndarray

    @property
    def training(self) -> Sequences:
        """Training parts of all users."""
        return self.seen.training


def open_local_data(config: Config, partition: int) -> LocalData:
    """Open the data and find the users of a partition, once per process."""
    return _opened(config, partition, prepare_data(config))


@lru_cache(maxsize=16384)
def _opened(config: Config, partition: int, folder: Path) -> LocalData:
    dataset, seen = open_data(folder)[0], followed(config, seen_of(config, folder))
    check_times(config, dataset)
    users = users_of(partition_of(config, folder), partition)
    targets = num_targets(seen.training, users, config.model.max_length, config.local.windows)
    return LocalData(dataset, seen, users, targets)


def training_events(data: LocalData) -> np.ndarray:
    """(V + 1,) training events per item of this partition's users."""
    counts = np.bincount(
        data.training.subset(data.users).items,
        minlength=data.dataset.catalog.num_items + 1,
    )
    counts[0] = 0  # padding is no event
    return counts
