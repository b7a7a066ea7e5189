"""The training data of one partition, opened once per process."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fedrec.config.config import Config
from fedrec.data.partitions.assign import users_of
from fedrec.data.preparation.store import Dataset
from fedrec.data.scenarios import TrainingView
from fedrec.data.sequences import Sequences
from fedrec.factory.checks import check_times
from fedrec.factory.data import PreparedData, open_prepared
from fedrec.training.batches import num_targets


@dataclass(frozen=True, eq=False, kw_only=True)  # never equal, so that it can be a cache's key
class LocalData:
    """The data of one partition.

    Attributes:
        prepared: Prepared data of the run; only this partition's users are read.
        users: (U,) Global numbers of the partition's users.
        targets: (U,) Training targets of one pass over each user.
    """

    prepared: PreparedData
    users: np.ndarray
    targets: np.ndarray

    @property
    def dataset(self) -> Dataset:
        """The prepared dataset of all users."""
        return self.prepared.dataset

    @property
    def view(self) -> TrainingView:
        """The training view as the model is trained on it, of all users."""
        return self.prepared.model_view

    @property
    def training(self) -> Sequences:
        """Training parts of all users."""
        return self.view.training


def open_local_data(config: Config, partition: int) -> LocalData:
    """Open the data and find the users of a partition, once per process.

    Raises:
        DataError: The data cannot be read, or lack the times that the model needs.
    """
    prepared = open_prepared(config)
    check_times(config.model.time, prepared.dataset)
    return _opened(prepared, partition, config.model.max_length, config.local.windows)


@lru_cache(maxsize=16384)
def _opened(prepared: PreparedData, partition: int, max_length: int, windows: int) -> LocalData:
    users = users_of(prepared.assignment, partition)
    targets = num_targets(prepared.model_view.training, users, max_length, windows)
    return LocalData(prepared=prepared, users=users, targets=targets)


def training_events(data: LocalData) -> np.ndarray:
    """(V + 1,) training events per item of this partition's users."""
    counts = np.bincount(
        data.training.subset(data.users).items,
        minlength=data.dataset.catalog.num_items + 1,
    )
    counts[0] = 0  # padding is no event
    return counts
