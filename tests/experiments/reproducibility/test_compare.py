"""References that train nothing, and matrix factorisation in one place: run folders like any."""

import pytest

from experiments.baselines.run import run_baseline
from fedrec.errors import ConfigError
from fedrec.report.references import reference_name
from fedrec.runs.record import read_run


@pytest.mark.parametrize(
    "kind", ["item-knn", "recent-item-knn", "lightgcn", "markov", "nearest-text"]
)
def test_what_is_no_model_of_ours_leaves_a_run_folder_like_any_other(
    kind, small_home, small_config, tmp_path, monkeypatch
):
    monkeypatch.setattr("server.run.write_report", lambda path: None)
    config = small_config({"model.name": "sasrec"})  # whatever the model, the meanings are found
    run = read_run(run_baseline(kind, config, tmp_path / kind, lambda line: None))
    assert [line["round"] for line in run.history] == [0]
    assert reference_name(run) == kind
    popularity = run.metrics["baselines"]["popularity"]["test"]["MRR"]["value"]
    assert run.metrics["test"]["MRR"]["value"] != popularity


def test_lightgcn_knows_whom_it_was_trained_on(small_home, small_config, tmp_path):
    config = small_config({"scenario.unseen-users": 0.2})
    with pytest.raises(ConfigError, match=r"scenario\.unseen-users must be 0 for lightgcn"):
        run_baseline("lightgcn", config, tmp_path / "graph", lambda line: None)
    assert not (tmp_path / "graph").exists()


@pytest.mark.parametrize("kind", ["popularity", "item-knn"])
def test_what_trains_nothing_is_held_to_the_protocols_that_models_are(
    kind, small_home, small_config, tmp_path
):
    changes = {"scenario.cold-items": 0.2, "evaluation.protocol": "popularity-100"}
    with pytest.raises(ConfigError, match=r"another than 'popularity-100' with scenario"):
        run_baseline(kind, small_config(changes), tmp_path / kind, lambda line: None)
    assert not (tmp_path / kind).exists()


MF = {"model.name": "bpr-mf", "loss.name": "bpr", "local.learning-rate": 0.02}


def test_users_rows_stay_with_their_partitions_and_the_federation_learns(
    small_home, small_config, run_inline, tmp_path
):
    from safetensors.numpy import load_file

    config = small_config(MF | {"local.learning-rate": 0.1})
    found = read_run(run_inline(config, tmp_path / "run"))
    assert set(load_file(tmp_path / "run" / "model.safetensors")) == {"rows", "bias"}
    sizes = found.about["parameters"]
    assert sizes["private"] == 8 * found.about["data"]["users"]
    losses = [line["train_loss"] for line in found.history[1:]]
    assert losses == sorted(losses, reverse=True)


def test_one_partition_with_everybody_is_matrix_factorisation_in_one_place(
    small_home, small_config, run_inline, tmp_path, monkeypatch
):
    monkeypatch.setattr("server.run.write_report", lambda path: None)
    config = small_config(MF | {"partition.count": 1, "local.windows": 0})
    alone = read_run(run_inline(config, tmp_path / "alone"))
    centralised = read_run(
        run_baseline("centralised", config, tmp_path / "centralised", lambda line: None)
    )
    assert centralised.metrics["test"] == alone.metrics["test"]
    # Every event of the training parts is a target of a pass, a user's first one, too.
    events = centralised.about["data"]["events"] - 2 * centralised.about["data"]["users"]
    assert centralised.history[1]["targets"] == events
