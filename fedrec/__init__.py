"""Federated simulation for sequential recommendation, and the models without a federation.

Fit a model, evaluate it, recommend with it::

    import fedrec

    dataset = fedrec.Dataset.load("ml-1m", source="ml-1m.zip")
    model = fedrec.SASRec(epochs=20).fit(dataset)
    print(model.evaluate())  # HR, NDCG, ... of the test items with 95 % intervals
    print(model.recommend(["1", "2"], k=10))  # user, item, title, score, rank

The same model in a federation of ten clients::

    run = fedrec.simulate(model="sasrec", data=dataset, changes={"partition.count": 10})

Everything is imported when it is first used, so that ``import fedrec`` loads neither torch nor
pandas, Flower or Ray. Types stand in ``__init__.pyi``.
"""

import importlib
import importlib.util
from pathlib import Path

from fedrec.version import __version__

__all__ = [
    "BPRMF",
    "FPMC",
    "HSTU",
    "NARM",
    "SRGNN",
    "STAMP",
    "BERT4Rec",
    "Dataset",
    "Estimator",
    "GRU4Rec",
    "Hybrid",
    "NeuralCF",
    "PFedRec",
    "SASRec",
    "UniSRec",
    "__version__",
    "compare",
    "evaluate",
    "fit",
    "load",
    "open_recommender",
    "resume",
    "simulate",
    "sweep",
]

_HOMES = {
    "BERT4Rec": "fedrec.estimator.models",
    "BPRMF": "fedrec.estimator.models",
    "Dataset": "fedrec.data.preparation.store",
    "Estimator": "fedrec.estimator.estimator",
    "FPMC": "fedrec.estimator.models",
    "GRU4Rec": "fedrec.estimator.models",
    "HSTU": "fedrec.estimator.models",
    "NARM": "fedrec.estimator.models",
    "NeuralCF": "fedrec.estimator.models",
    "PFedRec": "fedrec.estimator.models",
    "SRGNN": "fedrec.estimator.models",
    "STAMP": "fedrec.estimator.models",
    "Hybrid": "fedrec.estimator.models",
    "SASRec": "fedrec.estimator.models",
    "UniSRec": "fedrec.estimator.models",
    "compare": "fedrec.report.comparison.comparison",
    "evaluate": "fedrec.estimator.evaluate",
    "fit": "fedrec.estimator.models",
    "load": "fedrec.runs.record",
    "open_recommender": "fedrec.inference.opening",
    "resume": "experiments.api",  # a name only: this package imports nothing above it
    "simulate": "experiments.api",
    "sweep": "experiments.sweep.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fedrec' has no attribute {name!r}")
    home = _HOMES[name]
    if home.startswith("experiments."):
        _check_experiments()
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    import pkgutil

    dunders = {name for name in globals() if name.startswith("__")}
    packages = {found.name for found in pkgutil.iter_modules(__path__) if found.ispkg}
    return sorted({*__all__, *packages, *dunders})


def _check_experiments() -> None:
    """Refuse a package ``experiments``, a common name, that does not lie beside this one."""
    spec = importlib.util.find_spec("experiments")
    ours = Path(__file__).resolve().parent.parent / "experiments" / "__init__.py"
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != ours:
        from fedrec.errors import ResourceError

        raise ResourceError(
            f"the package 'experiments' that Python finds is {spec.origin if spec else 'missing'}, "
            f"not {ours}; rename yours or change sys.path"
        )
