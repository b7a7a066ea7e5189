"""A tiny language model, and settings of a federation of its adapters."""

import pytest

from tests.llm.tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """Folder of a tiny language model with random weights."""
    return write_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def adapters(base):
    """Settings of a federation of its adapters."""
    return {
        "model.name": "lora",
        "lora.base": str(base),
        "lora.rank": 2,
        "lora.recent": 2,
        "evaluation.protocol": "candidates-20",
        "evaluation.users": 6,
        "evaluation.at": "1,5,10",
        "local.steps": 1,
        "local.batch-size": 3,
        "local.learning-rate": 0.05,
        "local.optimizer-state": "reset",
        "federation.rounds": 2,
        "federation.evaluate-every": 2,
    }
