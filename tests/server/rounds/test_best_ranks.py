"""The end of a run ranks validation items once more only where that would tell anything new."""

import pytest

import server.evaluation.final as final
from server.evaluation.evaluate import _is_as_at_the_end

OCCASIONS = ["final validation", "final test"]


@pytest.fixture
def asked(monkeypatch):
    """Names of the evaluations at the end of runs."""
    names, evaluate = [], final.evaluate

    def recording(*given, occasion, **named):
        names.append(occasion)
        return evaluate(*given, occasion=occasion, **named)

    monkeypatch.setattr(final, "evaluate", recording)
    return names


def last(names):
    return [name for name in names if name in OCCASIONS]


def test_the_best_rounds_ranks_are_kept_and_are_those_of_another_ranking(
    run_inline, small_config, asked, monkeypatch
):
    kept = run_inline(small_config({"run.name": "kept"}))
    assert last(asked) == ["final test"]
    asked.clear()
    monkeypatch.setattr(final, "_kept", lambda *_: None)
    again = run_inline(small_config({"run.name": "again"}))
    assert last(asked) == OCCASIONS
    for file in ("ranks.npz", "metrics.json", "users.csv"):
        if (kept / file).exists():
            assert (kept / file).read_bytes() == (again / file).read_bytes()
    assert (kept / "metrics.json").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"federation.evaluate-fraction": 0.5},
        {"evaluation.genre-jaccard": True},
    ],
    ids=str,
)
def test_other_clients_protocols_or_figures_at_the_end_are_evaluated(
    run_inline, small_config, asked, changes
):
    run_inline(small_config(changes))
    assert last(asked) == OCCASIONS


def test_a_second_protocol_is_left_to_the_end(small_config):
    assert _is_as_at_the_end(small_config())
    assert not _is_as_at_the_end(small_config({"evaluation.protocol": "full,uniform-99"}))
