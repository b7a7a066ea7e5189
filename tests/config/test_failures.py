"""User code that raises ends in one line that names it."""

import pytest

from fedrec.config.failures import user_code_failures
from fedrec.config.values.import_strings import import_string
from fedrec.data.preparation.store import Dataset
from fedrec.errors import ConfigError, DataError, ResourceError
from fedrec.semantics.encoders import open_encoder

MODULE = """
def divides(*_):
    return 1 // 0

class Divides:
    def encode(self, texts):
        return 1 // 0

class Unmade:
    def encode(self, texts):
        return []

    def __init__(self):
        raise KeyError("weights")
"""


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    (tmp_path / "code_that_fails.py").write_text(MODULE)
    (tmp_path / "module_that_fails.py").write_text("1 // 0")
    monkeypatch.syspath_prepend(tmp_path)


def test_an_error_becomes_one_line_with_its_cause():
    with pytest.raises(DataError) as caught, user_code_failures("x failed", DataError):
        raise ValueError("two\n  lines")
    assert str(caught.value) == "x failed: ValueError: two lines"
    assert isinstance(caught.value.__cause__, ValueError)
    with (
        pytest.raises(ConfigError, match=r"^x failed: StopIteration$"),
        user_code_failures("x failed"),
    ):
        next(iter(()))


@pytest.mark.parametrize("kind", [ResourceError, MemoryError, KeyboardInterrupt])
def test_what_is_no_fault_of_the_code_passes(kind):
    with pytest.raises(kind), user_code_failures("x failed"):
        raise kind("as it is")


def test_a_source_that_raises():
    message = "^data.source 'code_that_fails:divides' failed: ZeroDivisionError: .* by zero$"
    with pytest.raises(DataError, match=message):
        Dataset.load("code_that_fails:divides")


def test_an_encoder_that_raises():
    encoder = open_encoder("code_that_fails:Divides")
    message = "^semantics.encoder 'code_that_fails:Divides' failed on 2 texts: ZeroDivisionError"
    with pytest.raises(ConfigError, match=message):
        encoder.encode(["a", "b"])
    with pytest.raises(ConfigError, match=r"failed when it was made: KeyError: 'weights'$"):
        open_encoder("code_that_fails:Unmade")


def test_a_module_that_raises():
    message = "'module_that_fails:f' cannot be imported: ZeroDivisionError: "
    with pytest.raises(ConfigError, match=message):
        import_string("model.name", "module_that_fails:f")
