"""A finished first stage and a tiny language model."""

import pytest

from tests.llm.tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """Folder of a tiny language model with random weights."""
    return write_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def first_stage(run_copy, small_config):
    """The test's own copy of a finished run."""
    return run_copy(small_config())
