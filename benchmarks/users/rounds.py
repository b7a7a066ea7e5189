"""A federation up to its first round, as ``fedrec run`` makes it on the inline engine."""

import logging

from clients.app import app
from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.factory.table import open_table
from server.aggregation.strategies import make_strategy
from server.engines.inline import InlineGrid
from server.messages.registration import register_clients
from server.setup import initial_weights, make_context
from server.state.context import ServerContext
from server.state.server_state import ServerState

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


def federation_of(config: Config) -> tuple[ServerContext, ServerState]:
    """Registration, model and strategy, without evaluations, whose cost grows with the users."""
    logging.getLogger("flwr").setLevel(logging.WARNING)  # a line or two a round
    grid = InlineGrid(app, config.partition.count, flatten(config))
    registration = register_clients(
        grid,
        config.partition.count,
        config.most_targets,
        600.0,
        shares_counts=config.federation.shares_counts,
    )
    catalog = open_prepared(config).dataset.catalog
    frequency = registration.item_counts(catalog.num_items)
    model = make_model(config, catalog, open_table(config, catalog), frequency)
    federation = make_context(
        grid,
        config,
        make_strategy(config.strategy.name, config.strategy.options),
        registration,
        model,
        frequency=frequency,
        num_users=registration.num_users,
        token="0123456789abcdef",
    )
    return federation, ServerState(initial_weights(config, model))
