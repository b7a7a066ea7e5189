"""A client whose messages are written by hand."""

import numpy as np
import pytest

from clients.evaluate import evaluate
from clients.local_data import open_local_data
from clients.private_state import PrivateState
from clients.train_partition import train_partition
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.factory.table import open_table
from fedrec.models.parameters import arrays_of, groups_of

TOKEN = "fedcba9876543210"


class Desk:
    """One client at work: its config, its data, the weights it is sent."""

    def __init__(self, config, partition=0):
        self.config, self.partition = config, partition
        self.data = open_local_data(config, partition)
        dataset = open_prepared(config).dataset
        self.num_items = dataset.catalog.num_items
        self.frequency = np.ones(self.num_items + 1, dtype=np.int64)
        model = make_model(
            config, dataset.catalog, open_table(config, dataset.catalog), self.frequency
        )
        private = ["gate-bias"] if config.model.private else []
        self.weights = arrays_of(model, groups_of(model, private).shared)
        self.store = PrivateState(TOKEN, partition)
        self.private = {}

    def train(self, round, accepted, weights=None, mu=0.0, keep=()):
        """Weights and fit of a turn; ``self.private`` is the digest of each round's file."""
        done = train_partition(
            self.config,
            self.data,
            self.store,
            weights or self.weights,
            self.frequency,
            round=round,
            accepted=accepted,
            private_digest=self.private.get(accepted, ""),
            keep=keep,
            partition=self.partition,
            proximal_mu=mu,
        )
        self.private[round] = done.private_digest
        return done.weights, done.fit

    def evaluate(self, scorer="model", accepted=0, stage="validation", weights=None):
        return evaluate(
            self.config,
            self.data,
            self.store,
            weights or self.weights,
            self.frequency,
            scorer=scorer,
            stage=stage,
            protocols=("full",),
            further=False,
            accepted=accepted,
            private_digest=self.private.get(accepted, ""),
            counts_are_shared=True,
        )


@pytest.fixture
def desk(small_home, small_config):
    return lambda changes=None, partition=0: Desk(small_config(changes), partition)
