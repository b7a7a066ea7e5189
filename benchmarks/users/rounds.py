"""A federation up to its first round, as ``fedrec run`` makes it on the inline engine."""

import logging

import numpy as np

from clients.app import app
from fedrec.config.choices import names_in
from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.factory.table import open_table
from fedrec.models.parameters import arrays_of, groups_of
from server.aggregation.strategies import make_strategy
from server.engines.inline import InlineGrid
from server.messages.registration import take_census
from server.run import population_of
from server.state import Federation, State
from server.traffic import traffic_of

# The work of the comparison as a run config; each user's newest window only, which is what the
# server's bound on declared targets allows.
SASREC = {
    "model.name": "sasrec",
    "model.max-length": 50,
    "model.hidden": 64,
    "model.dropout": 0.0,
    "loss.name": "bce",
    "local.optimizer": "sgd",
    "local.optimizer-state": "reset",
    "local.steps": 3,
    "local.batch-size": 1000,
    "local.windows": 1,
    "local.learning-rate": 0.05,
    "federation.unit": "user",
}


def federation_of(config: Config) -> tuple[Federation, State]:
    """Census, model and strategy; without the evaluations, whose cost grows with the users."""
    logging.getLogger("flwr").setLevel(logging.WARNING)  # a line or two a round
    grid = InlineGrid(app, config.partition.count, flatten(config))
    census = take_census(grid, config.partition.count, config.model.max_length, 600.0)
    catalog = open_prepared(config).dataset.catalog
    zeros = np.zeros(catalog.num_items + 1, dtype=np.int64)
    frequency = zeros if census.counts is None else census.counts
    model = make_model(config, catalog, open_table(config, catalog), frequency)
    shared = groups_of(model, names_in(config.model.private)).shared
    federation = Federation(
        grid,
        make_strategy(config.strategy.name, config.strategy.options),
        config,
        census,
        "0123456789abcdef",
        frequency,
        len(model.view_names),
        population=population_of(config, census),
        traffic=traffic_of(model, shared, upload=config.federation.upload),
    )
    start = {name: array.astype(np.float64) for name, array in arrays_of(model, shared).items()}
    return federation, State(start)
