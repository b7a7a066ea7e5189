"""Federated simulation for sequential recommendation.

``fedrec.simulate(...)`` runs a federation, ``fedrec.load(folder)`` reads a finished one,
``fedrec.open_recommender(folder)`` recommends with it and ``fedrec.Dataset.from_frame(frame)``
prepares events; all are imported when first used.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.api import simulate
    from fedrec.data.store import Dataset
    from fedrec.inference.opening import open_recommender
    from fedrec.runs.record import load

__version__ = "0.1.0"
__all__ = ["Dataset", "__version__", "load", "open_recommender", "simulate"]

_HOMES = {
    "simulate": "experiments.api",
    "load": "fedrec.runs.record",
    "open_recommender": "fedrec.inference.opening",
    "Dataset": "fedrec.data.store",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fedrec' has no attribute {name!r}")
    home = _HOMES[name]
    if home.startswith("experiments."):
        _check_experiments()
    return getattr(importlib.import_module(home), name)


def _check_experiments() -> None:
    """``experiments`` is a common name: refuse one that is not beside this package."""
    spec = importlib.util.find_spec("experiments")
    ours = Path(__file__).resolve().parent.parent / "experiments" / "__init__.py"
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != ours:
        from fedrec.errors import ResourceError

        raise ResourceError(
            f"the package 'experiments' that Python finds is {spec.origin if spec else 'missing'}, "
            f"not {ours}; rename yours or change sys.path"
        )
