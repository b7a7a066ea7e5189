"""The small federation without its run folder: a census, a strategy, weights to start from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clients.app import app
from fedrec.config import names_in
from fedrec.config_keys import flatten
from fedrec.models.parameters import arrays_of, groups_of
from fedrec.workbench import make_model, open_data, open_table, prepare_data
from server.census import take_census
from server.inline import InlineGrid
from server.state import Federation, State
from server.strategies import make_strategy

TOKEN = "0123456789abcdef"


@pytest.fixture
def small_federation(small_home, small_config) -> Callable[..., tuple[Federation, State]]:
    """``small_federation(changes, client=..., wrap=...)`` up to the first round."""

    def make(
        changes: dict[str, Any] | None = None,
        client: Any = app,
        wrap: Callable[[Any], Any] = lambda grid: grid,
    ) -> tuple[Federation, State]:
        config = small_config(changes)
        grid = wrap(InlineGrid(client, config.partition.count, flatten(config)))
        census = take_census(grid, config.partition.count, 60.0)
        catalog = open_data(prepare_data(config))[0].catalog
        model = make_model(config, catalog, open_table(config, catalog), census.counts)
        shared = groups_of(model, names_in(config.model.private)).shared
        start = {name: a.astype(np.float64) for name, a in arrays_of(model, shared).items()}
        strategy = make_strategy(config.strategy.name, config.strategy.options)
        return Federation(grid, strategy, config, census, TOKEN, census.counts), State(start)

    return make
