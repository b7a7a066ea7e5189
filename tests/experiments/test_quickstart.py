"""The quickstart: three runs, one report, one table."""

import json

import pytest

from experiments.quickstart import METRICS, quickstart
from fedrec.errors import ConfigError


@pytest.mark.slow
def test_it_leaves_three_runs_and_one_report_with_all_of_them(tmp_path, monkeypatch, undrawn):
    monkeypatch.setattr("experiments.quickstart.FEDERATED", (*tiny(), "federation.rounds=1"))
    monkeypatch.setattr("experiments.quickstart.CENTRALISED", (*tiny(), "federation.rounds=1"))
    steps = []

    def on_step(name, protocol):
        steps.append(name)
        return lambda line: None

    done = quickstart(tmp_path / "first", on_step=on_step)
    assert steps == ["ten clients, federated", "every client alone", "one place with all data"]
    assert [row.name for row in done.rows] == ["popularity", *[steps[1], steps[0], steps[2]]]
    assert all(set(row.figures) == set(METRICS) for row in done.rows)
    for name in ("federated", "local-only", "centralised"):
        about = json.loads((tmp_path / "first" / name / "run.json").read_text())
        assert about["status"] == "done"
    page = done.report.read_text(encoding="utf-8")
    assert "centralised" in page
    assert "local-only" in page
    with pytest.raises(ConfigError, match="is not empty"):
        quickstart(tmp_path / "first")
    quickstart(tmp_path / "first", overwrite=True)


def tiny():
    """A smaller world, by an encoder without weights."""
    return (
        "data.source=synthetic:users=220,items=60",
        "semantics.encoder=hashed",
        "model.width=8",
        "model.blocks=1",
        "loss.negatives=16",
        "evaluation.resamples=20",
    )
