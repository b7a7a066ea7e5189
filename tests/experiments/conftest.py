"""Engines of their own need a place whose path their sockets can take."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A temporary folder with a path that is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def plain_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a comparison has no figure: drawing them takes longer than small runs."""
    monkeypatch.setattr("fedrec.report.comparison.files.drawings", lambda *_: [])
