"""The model of a run on a client: built once per process, loaded afresh for every message.

Our own models keep nothing but parameters. What a user's model keeps beside them must not reach
the next client of the process, so each message gets a copy of it as it was built.
"""

import copy
from functools import lru_cache

import numpy as np

from clients.local_data import LocalData
from fedrec.config.config import Config
from fedrec.config.values.choices import MODELS, names_in
from fedrec.errors import MessageError
from fedrec.factory.data import PreparedData
from fedrec.factory.model import make_model
from fedrec.models.parameters import NamedArrays, ParameterGroups, arrays_of, groups_of, load_arrays
from fedrec.models.recommender import Recommender


def fresh_model(
    config: Config, data: LocalData, frequency: np.ndarray
) -> tuple[Recommender, ParameterGroups]:
    """The model of a run; its private parameters have their initial values again.

    Args:
        config: Config of the run.
        data: Data of the partition; its users matter to a model with a row per user only.
        frequency: (V + 1,) int64 training events per item over all clients.
    """
    held = data.users.tobytes() if data.prepared.settings.has_user_rows else b""
    model, groups, private = _built(config, data.prepared, frequency.tobytes(), held)
    if config.model.name not in MODELS:
        model = copy.deepcopy(model)
    load_arrays(model, private, groups.private)
    return model, groups


@lru_cache(maxsize=1)
def _built(
    config: Config, prepared: PreparedData, frequency: bytes, users: bytes
) -> tuple[Recommender, ParameterGroups, NamedArrays]:
    """Model, groups and initial private parameters."""
    counts = np.frombuffer(frequency, dtype=np.int64)
    held = np.frombuffer(users, dtype=np.int64)
    model = make_model(config, prepared.dataset.catalog, prepared.table, counts, held)
    groups = groups_of(model, names_in(config.model.private))
    return model, groups, arrays_of(model, groups.private)


def load_sent(model: Recommender, weights: NamedArrays, groups: ParameterGroups) -> None:
    """Load the server's weights; a copy into the model would cast another dtype in silence."""
    load_arrays(model, weights, groups.shared)
    for name, now in arrays_of(model, groups.shared).items():
        if weights[name].dtype != now.dtype:
            raise MessageError(f"weights {name!r} are {weights[name].dtype}, expected {now.dtype}")
