"""Data that Python hands over, as a prepared folder that a config can name."""

from pathlib import Path
from typing import TYPE_CHECKING

from fedrec.config.config import Config
from fedrec.data.preparation.store import Dataset, store
from fedrec.errors import DataError
from fedrec.factory.data import columns_of
from fedrec.files.home import home

if TYPE_CHECKING:
    import pandas as pd

    from fedrec.data.interactions import Interactions

NO_FILTER = 0  # a Dataset was filtered when it was made: nothing more is dropped


def prepared_folder(data: "Dataset | pd.DataFrame", config: Config) -> Path:
    """The prepared folder of a dataset or a DataFrame, under ``$FEDREC_HOME`` if it has none yet.

    Args:
        data: Prepared data, or one row per event.
        config: Names the columns of a DataFrame and its filters.

    Raises:
        DataError: Neither a Dataset nor a DataFrame, or a column that cannot be used.
        ResourceError: The folder cannot be written.
    """
    import pandas as pd

    from fedrec.data.readers.tables import load_frame

    if isinstance(data, pd.DataFrame):
        interactions, name = load_frame(data, columns_of(config.data)), "frame"
        sessions = config.data.sessions
        least = config.data.min_item_events
    elif isinstance(data, Dataset):
        if data.folder is not None:
            return data.folder
        interactions, name, least = _interactions(data), data.name, NO_FILTER
        are_sessions = "sessions" in data.manifest.get("facts", {})
        sessions = "" if are_sessions else config.data.sessions
    else:
        raise DataError(f"data must be a Dataset or a DataFrame, got {type(data).__name__}")
    return store(
        interactions,
        name=name,
        home=home(),
        min_item_events=least,
        min_user_events=config.data.min_user_events,
        top_items=config.data.top_items,
        sessions=sessions,
    )


def _interactions(dataset: Dataset) -> "Interactions":
    """A dataset's events as a reader would give them: items are 0-based there."""
    import numpy as np

    from fedrec.data.interactions import Interactions

    sequences = dataset.sequences
    return Interactions(
        user_ids=dataset.user_ids,
        item_ids=dataset.catalog.item_ids,
        users=np.repeat(np.arange(sequences.num_users, dtype=np.int32), sequences.lengths()),
        items=np.asarray(sequences.items) - 1,
        times=None if sequences.times is None else np.asarray(sequences.times),
        ratings=None,
        catalog=dataset.catalog,
        attributes=dataset.attributes,
        skipped={},
    )
