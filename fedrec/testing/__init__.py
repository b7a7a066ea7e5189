"""Conformance checks for a model, an encoder, a strategy or a loss of your own.

Each check raises ``ConformanceError`` with one line that says what does not hold::

    from fedrec.testing import check_model

    def test_my_model_can_be_trained():
        check_model(MyModel)
"""

import importlib

__all__ = ["ConformanceError", "check_encoder", "check_loss", "check_model", "check_strategy"]

_HOMES = {
    "ConformanceError": "fedrec.testing.conformance",
    "check_encoder": "fedrec.testing.encoders",
    "check_loss": "fedrec.testing.losses",
    "check_model": "fedrec.testing.models",
    "check_strategy": "server.aggregation.conformance",  # a name only: Flower is not imported here
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fedrec.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
