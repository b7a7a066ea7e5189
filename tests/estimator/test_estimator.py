"""Models without a federation: fit, evaluate, recommend, save and load."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

import fedrec
from experiments.baselines.run import centralised_config, run_baseline
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError, DataError, ResourceError
from fedrec.models.parameters import arrays_of, groups_of
from fedrec.runs.record import read_run
from tests.estimator.conftest import HASHED, SMALL


@pytest.fixture
def model(dataset):
    return fedrec.SASRec(**SMALL).fit(dataset)


def test_six_lines_from_events_to_recommendations(ratings):
    dataset = fedrec.Dataset.from_frame(ratings)
    model = fedrec.SASRec(**SMALL).fit(dataset)
    table = model.recommend(["3", "5"], k=4)
    assert list(table.columns) == ["user", "item", "title", "score", "rank"]
    assert table["rank"].tolist() == [1, 2, 3, 4] * 2
    assert table["user"].tolist() == ["3"] * 4 + ["5"] * 4
    assert (table.groupby("user")["score"].diff().dropna() <= 0).all()


@pytest.mark.parametrize(
    ("estimator", "settings"),
    [
        (fedrec.Hybrid, HASHED),
        (fedrec.BPRMF, {}),
        (fedrec.FPMC, {}),
        (fedrec.PFedRec, {}),
        (fedrec.UniSRec, HASHED),
        (fedrec.NARM, {}),
        (fedrec.STAMP, {}),
        (fedrec.SRGNN, {}),
        (fedrec.GRU4Rec, {"patience": 1, "epochs": 3, "evaluate_every": 2}),
    ],
)
def test_the_centralised_baseline_of_the_same_config_has_the_same_bytes(
    dataset, tmp_path, undrawn, estimator, settings
):
    made = estimator(**(SMALL | settings)).fit(dataset)
    config = made._fitted.config
    folder = run_baseline("centralised", config, tmp_path / "run", lambda line: None, threads=1)
    run = read_run(folder)
    weights = load_file(folder / "model.safetensors")
    own = arrays_of(made._fitted.model, groups_of(made._fitted.model).shared)
    assert sorted(weights) == sorted(own)
    for name, array in own.items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)
    assert made.best_epoch == run.metrics["best_round"]
    losses = [line["train_loss"] for line in run.history[1:]]
    assert [each.loss for each in made.history[1:]] == pytest.approx(losses, rel=1e-12)
    for stage in ("validation", "test"):
        found = made.evaluate(stage=stage)
        assert found.to_dict("index") == run.metrics[stage]


def test_the_config_of_an_estimator_is_that_of_its_centralised_baseline(tmp_path):
    config = fedrec.GRU4Rec(epochs=7, patience=2, learning_rate=0.01).config
    central = centralised_config(config, tmp_path)
    assert central == read_config({"run.dir": str(tmp_path)}, base=config)


def test_the_best_epoch_by_validation_is_kept(dataset):
    seen = []
    model = fedrec.SASRec(**(SMALL | {"epochs": 4, "learning_rate": 0.1})).fit(
        dataset, on_epoch=seen.append
    )
    assert seen == model.history
    values = [epoch.validation for epoch in model.history]
    assert model.best_epoch == int(np.argmax(values))
    assert model.evaluate(stage="validation").loc["NDCG@10", "value"] == max(values)


def test_training_stops_after_epochs_without_improvement(dataset):
    model = fedrec.SASRec(**(SMALL | {"epochs": 50, "patience": 2, "learning_rate": 0.3})).fit(
        dataset
    )
    assert [epoch.best for epoch in model.history[-2:]] == [False, False]
    assert len(model.history) < 51


def test_what_a_user_has_had_is_left_out_unless_asked_for(model, dataset):
    def seen(user):
        items = dataset.sequences.of(dataset.user_ids.index(user))
        return {dataset.catalog.item_ids[item - 1] for item in items}

    everything = dataset.catalog.num_items
    for user, rows in model.recommend(k=everything).groupby("user"):
        assert set(rows["item"]) == set(dataset.catalog.item_ids) - seen(user)
    assert len(model.recommend(["3"], k=everything, exclude_seen=False)) == everything


def test_all_users_are_recommended_to_by_default_and_ids_come_back_as_given(model, dataset):
    assert list(dict.fromkeys(model.recommend(k=1)["user"])) == dataset.user_ids
    assert model.recommend([7], k=1)["user"].tolist() == [7]
    assert model.recommend([7], k=3)["item"].equals(model.recommend(["7"], k=3)["item"])


def test_data_without_titles_give_a_table_without_titles(ratings):
    model = fedrec.SASRec(**SMALL).fit(ratings.drop(columns="title"))
    assert list(model.recommend(k=1).columns) == ["user", "item", "score", "rank"]


def test_a_model_with_rows_of_users_recommends_what_it_scores_highest(dataset):
    model = fedrec.BPRMF(**SMALL).fit(dataset)
    users = np.array([4, 9])
    scores = model.scorer([dataset.sequences.of(int(user)) for user in users], users).scores.copy()
    scores[:, 0] = -np.inf
    for row, user in enumerate(users):
        scores[row, dataset.sequences.of(int(user))] = -np.inf
    best = [dataset.catalog.item_ids[item - 1] for item in scores.argmax(axis=1)]
    assert model.recommend([dataset.user_ids[user] for user in users], k=1)["item"].tolist() == best
    with pytest.raises(DataError, match="reads no history; give the id of a user"):
        model.recommender.recommend([dataset.catalog.item_ids[0]])


@pytest.mark.parametrize(("estimator", "settings"), [("SASRec", {}), ("Hybrid", HASHED)])
def test_a_saved_model_loads_to_the_same_numbers_elsewhere(
    dataset, tmp_path, monkeypatch, estimator, settings
):
    kind = getattr(fedrec, estimator)
    model = kind(**(SMALL | settings)).fit(dataset)
    model.save(tmp_path / "kept")
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "another home"))
    for loaded in (kind.load(tmp_path / "kept"), fedrec.Estimator.load(tmp_path / "kept")):
        assert loaded.recommend(k=3).equals(model.recommend(k=3))
        assert loaded.evaluate().equals(model.evaluate())
        assert loaded.history == model.history
    assert not (tmp_path / "another home").exists()


def test_a_folder_that_exists_is_replaced_only_if_asked(model, tmp_path):
    model.save(tmp_path / "kept")
    with pytest.raises(ResourceError, match="exists; choose another folder or pass overwrite=True"):
        model.save(tmp_path / "kept")
    model.save(tmp_path / "kept", overwrite=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(ResourceError, match="holds no estimator, so it is not replaced"):
        model.save(tmp_path / "other", overwrite=True)


def test_a_folder_that_cannot_be_loaded_says_why(model, tmp_path):
    with pytest.raises(DataError, match=r"holds no estimator: .*estimator.json is missing"):
        fedrec.SASRec.load(tmp_path)
    model.save(tmp_path / "kept")
    with pytest.raises(ConfigError, match="holds a model 'sasrec', not 'gru4rec'"):
        fedrec.GRU4Rec.load(tmp_path / "kept")
    (tmp_path / "kept" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(DataError, match="is damaged"):
        fedrec.SASRec.load(tmp_path / "kept")


def test_what_is_not_fitted_says_what_to_call():
    with pytest.raises(ConfigError, match=r"SASRec\(width=8\)> is not fitted; call fit"):
        fedrec.SASRec(width=8).recommend()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fedrec.SASRec(widht=8), r"unknown hyperparameter 'widht'; did you mean 'width'"),
        (lambda: fedrec.SASRec(zzz=8), r"unknown hyperparameter 'zzz'; there are seed, device"),
        (lambda: fedrec.SASRec(width=0), r"^width must be"),
        (
            lambda: fedrec.SASRec({"federation.fraction": 0.5}),
            "does not read 'federation.fraction'; leave it out, or run fedrec.simulate",
        ),
        (lambda: fedrec.Estimator("sasrek"), "did you mean 'sasrec'"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(make, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_wrong_questions_are_refused_in_one_line(model):
    for ask, message in (
        (lambda: model.recommend(["nobody"]), "user 'nobody' is none of the 30 users"),
        (lambda: model.recommend("3"), r"users must be a list of ids, got '3'; write \['3'\]"),
        (lambda: model.evaluate("all"), "one of full, uniform-100"),
        (lambda: model.evaluate(stage="train"), "stage must be one of validation, test"),
        (lambda: model.recommend(k=0), "k must be a whole number of 1 or more"),
    ):
        with pytest.raises((ConfigError, DataError), match=message):
            ask()


def test_a_function_fits_by_config_keys(dataset):
    keys = {"model.name": "gru4rec", "model.width": 8, "loss.name": "softmax"}
    model = fedrec.fit(dataset, keys, epochs=1, hidden=8)
    assert repr(model).startswith("<Estimator('gru4rec', epochs=1, width=8, hidden=8, loss=")
    assert "<strong>Estimator gru4rec</strong>" in (card := model._repr_html_())
    assert "best epoch" in card
    assert "not yet" in fedrec.SASRec()._repr_html_()
    assert model.evaluate().loc["HR@10", "value"] >= model.evaluate().loc["HR@5", "value"]


def test_a_sampled_protocol_is_named_with_its_metrics(ratings):
    wide = ratings.assign(item=np.arange(len(ratings)) % 120)
    data = fedrec.Dataset.from_frame(wide.drop(columns="title"), min_item_events=1)
    model = fedrec.SASRec(**(SMALL | {"epochs": 1})).fit(data)
    assert "NDCG@10 (100 sampled)" in model.evaluate("uniform-100").index


@pytest.mark.slow
def test_neither_flower_nor_ray_is_imported(tmp_path):
    code = (
        "import sys, numpy as np, pandas as pd, fedrec\n"
        "frame = pd.DataFrame({'user': np.repeat(np.arange(9), 6),"
        " 'item': np.arange(54) % 24, 'time': np.arange(54)})\n"
        "data = fedrec.Dataset.from_frame(frame, min_item_events=1)\n"
        "model = fedrec.SASRec(width=4, hidden=4, epochs=1, loss='softmax').fit(data)\n"
        "model.recommend(k=1), model.save(sys.argv[1]), fedrec.SASRec.load(sys.argv[1])\n"
        "found = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not found & {'flwr', 'ray', 'server', 'clients', 'experiments'}, found\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "kept")], check=True)
