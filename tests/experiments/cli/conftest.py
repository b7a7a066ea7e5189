"""The ``fedrec`` command in this process."""

import pytest
from typer.testing import CliRunner

from experiments.cli.main import app


@pytest.fixture
def fedrec(tmp_path, monkeypatch):
    """Call the command in this process: words in, result out."""
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FEDREC_DEBUG", raising=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def refused(result, code: int, *words: str) -> None:
    """One line on stderr that starts with "error:", the exit code, and no traceback."""
    assert result.exit_code == code, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
