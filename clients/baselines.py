"""Scorers that train nothing by gradients: what a model is compared with."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedrec.baselines.names import (
    ITEM_KNN,
    NEAREST_TEXT,
    ORACLE,
    POPULARITY,
    RECENT_ITEM_KNN,
    SCORERS,
)
from fedrec.baselines.popularity import popularity_scorer
from fedrec.config.config import Config
from fedrec.errors import ConfigError
from fedrec.evaluation.leave_one_out import Scorer
from fedrec.factory.data import open_data, prepare_data
from fedrec.factory.model import open_table

if TYPE_CHECKING:
    from clients.train_partition import Holding


def plain_scorer(name: str, config: Config, holding: "Holding", frequency: np.ndarray) -> Scorer:
    """A scorer by its name; the neighbours are those among this partition's users alone.

    Args:
        name: one of ``SCORERS``; "oracle" goes with synthetic data only.
        config: of the run.
        holding: the partition's data.
        frequency: (V + 1,) training events per item over all clients.

    Raises:
        ConfigError: there is no such scorer.
    """
    if name == POPULARITY:
        return popularity_scorer(frequency)
    if name in (ITEM_KNN, RECENT_ITEM_KNN):
        return _neighbours(holding, is_recent=name == RECENT_ITEM_KNN)
    if name == NEAREST_TEXT:
        from fedrec.baselines.nearest_text import nearest_text_scorer

        table = open_table(config, holding.dataset.catalog)
        if table is None:
            raise ConfigError("nearest-text needs model.views = 'semantic'")
        return nearest_text_scorer(table.vectors)
    if name == ORACLE:
        return _oracle(prepare_data(config))
    raise ConfigError(f"scorer must be model or one of {', '.join(SCORERS)}, got {name!r}")


@lru_cache(maxsize=1)
def _neighbours(holding: "Holding", *, is_recent: bool) -> Scorer:
    # scipy is imported where it is used: most clients never need it.
    from fedrec.baselines.item_knn import RECENT, item_neighbours, neighbours_scorer

    own = holding.training.subset(holding.users)
    similarity = item_neighbours(own, holding.dataset.catalog.num_items)
    return neighbours_scorer(similarity, RECENT if is_recent else None)


@lru_cache(maxsize=1)
def _oracle(folder: Path) -> Scorer:
    from fedrec.baselines.oracle import oracle_scorer

    return oracle_scorer(open_data(folder)[0])
