"""The model of a run on a client: built once per process, loaded afresh for every message."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from fedrec.config.choices import names_in
from fedrec.config.config import Config
from fedrec.errors import MessageError
from fedrec.factory.data import has_user_rows, open_data, prepare_data
from fedrec.factory.model import make_model, open_table
from fedrec.models.parameters import Groups, NamedArrays, arrays_of, groups_of, load_arrays
from fedrec.models.recommender import Recommender


def fresh_model(
    config: Config, frequency: np.ndarray, users: np.ndarray
) -> tuple[Recommender, Groups]:
    """The model of a run; its private parameters have their initial values again.

    Args:
        config: Config of the run.
        frequency: (V + 1,) int64 training events per item over all clients.
        users: (U,) int64 users held by this client; they matter to a model with rows of users only.
    """
    held = users.tobytes() if has_user_rows(config) else b""
    model, groups, private = _built(config, prepare_data(config), frequency.tobytes(), held)
    load_arrays(model, private, groups.private)
    return model, groups


@lru_cache(maxsize=1)
def _built(
    config: Config, folder: Path, frequency: bytes, users: bytes
) -> tuple[Recommender, Groups, NamedArrays]:
    """Model, groups and initial private parameters."""
    catalog = open_data(folder)[0].catalog
    counts = np.frombuffer(frequency, dtype=np.int64)
    held = np.frombuffer(users, dtype=np.int64)
    model = make_model(config, catalog, open_table(config, catalog), counts, held)
    groups = groups_of(model, names_in(config.model.private))
    return model, groups, arrays_of(model, groups.private)


def load_sent(model: Recommender, weights: NamedArrays, groups: Groups) -> None:
    """Load the server's weights; a copy into the model would cast another dtype in silence."""
    load_arrays(model, weights, groups.shared)
    for name, now in arrays_of(model, groups.shared).items():
        if weights[name].dtype != now.dtype:
            raise MessageError(f"weights {name!r} are {weights[name].dtype}, expected {now.dtype}")
