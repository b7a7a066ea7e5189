"""Every file of examples/ runs as it is written and prints what it says."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import fedrec

EXAMPLES = Path(__file__).parents[2] / "examples"
PRINTED = {
    "fedavg_in_one_file": r"round 4: validation NDCG@10 0\.\d{4}\ntest NDCG@10 of the best round",
    "own_dataframe": r"200 users, 60 items\n.*\n +value .*NDCG@10 .*listener-8 +song-\d+",
    "own_model": r"can be trained, sent, saved and stacked\n.*federated over 3 clients: test",
    "own_strategy": r"FedAvg +validation NDCG@10 by round: 0.*MedianClipped +validation NDCG@10",
    "one_person_clients": r"round 20: validation NDCG@10 0\.\d+, 0\.0\d+ MB per person",
    "recommend_and_explain": r"views: identity 0\.\d+, semantic 0.*nearest to '.*, ranks \d+",
}


@pytest.fixture
def run_example(monkeypatch, capsys, undrawn):
    """Run an example in this process and return its variables and what it printed."""
    monkeypatch.setattr("fedrec.estimator.fitting.usual_threads", lambda: 1)

    def run(name):
        found = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return found, capsys.readouterr().out

    return run


def test_every_example_has_a_test():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTED)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(PRINTED) - {"fedavg_in_one_file"}))
def test_an_example_runs_and_says_how(run_example, name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert f"\nRun it: ``python examples/{name}.py``.\n" in text.split('"""')[1]
    assert re.search(PRINTED[name], run_example(name)[1], flags=re.DOTALL)


def test_fedavg_in_one_file_gives_the_bytes_of_the_engine(run_example):
    found, printed = run_example("fedavg_in_one_file")
    assert re.search(PRINTED["fedavg_in_one_file"], printed)
    run = fedrec.simulate(found["CONFIG"])
    weights = load_file(run.folder / "model.safetensors")
    assert sorted(weights) == sorted(found["best"])
    for name, array in found["best"].items():
        np.testing.assert_array_equal(array.astype(np.float32), weights[name], err_msg=name)
    assert run.metrics["best_round"] == found["CONFIG"]["federation.rounds"]
    assert run.metrics["validation"]["NDCG@10"]["value"] == found["best_value"]
    shown = f"test NDCG@10 of the best round: {run.metrics['test']['NDCG@10']['value']:.4f}\n"
    assert printed.endswith(shown)


def test_the_one_file_is_short_and_needs_neither_server_nor_clients():
    text = (EXAMPLES / "fedavg_in_one_file.py").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(from|import) (server|clients|experiments|flwr)", text, re.MULTILINE)
    assert len(text.splitlines()) <= 80
