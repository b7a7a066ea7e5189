"""Federated simulation for sequential recommendation.

``fedrec.simulate(...)`` runs a federation, ``fedrec.load(folder)`` reads a finished one,
``fedrec.open_recommender(folder)`` recommends with it and ``fedrec.Dataset.from_frame(frame)``
prepares events; all are imported when first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedrec.api import load, open_recommender, simulate
    from fedrec.data.store import Dataset

__version__ = "0.1.0"
__all__ = ["Dataset", "__version__", "load", "open_recommender", "simulate"]

_HOMES = {
    "simulate": "fedrec.api",
    "load": "fedrec.api",
    "open_recommender": "fedrec.api",
    "Dataset": "fedrec.data.store",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fedrec' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
