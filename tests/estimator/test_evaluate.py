"""``fedrec.evaluate`` with callables of all kinds."""

import numpy as np
import pytest
import torch

import fedrec
from fedrec.baselines.popularity import popularity_scorer
from fedrec.errors import ConfigError, DataError, EvaluationError
from fedrec.estimator.evaluate import training_counts
from tests.estimator.conftest import SMALL


def by_number(histories):
    """The higher its number, the better an item."""
    return np.tile(np.arange(1.0, NUM_ITEMS + 1), (len(histories), 1))


NUM_ITEMS = 40


def test_a_known_scorer_has_the_metrics_that_are_worked_out_by_hand(dataset):
    assert dataset.catalog.num_items == NUM_ITEMS
    ranks = []
    for user in range(dataset.sequences.num_users):
        *history, target = dataset.sequences.of(user).tolist()
        better = set(range(target + 1, NUM_ITEMS + 1)) - set(history)
        ranks.append(1 + len(better))
    found = fedrec.evaluate(by_number, dataset, at=(5, 10))
    hits = np.mean([rank <= 10 for rank in ranks])
    gains = np.mean([1 / np.log2(1 + rank) if rank <= 10 else 0 for rank in ranks])
    assert found.loc["HR@10", "value"] == pytest.approx(hits)
    assert found.loc["NDCG@10", "value"] == pytest.approx(gains)
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()
    assert list(found.columns) == ["value", "low", "high", "users"]
    assert (found["users"] == dataset.sequences.num_users).all()


def test_scores_may_be_arrays_with_or_without_padding_tensors_or_know_the_user(dataset):
    def padded(histories):
        return np.insert(by_number(histories), 0, 99.0, axis=1)

    def of_tensors(histories):
        return torch.from_numpy(by_number(histories))

    def of_users(histories, users):
        assert len(users) == len(histories)
        for user, history in zip(users, histories, strict=True):
            assert history.tolist() == dataset.sequences.of(int(user))[:-1].tolist()
        return by_number(histories)

    expected = fedrec.evaluate(by_number, dataset)
    for scorer in (padded, of_tensors, of_users):
        assert fedrec.evaluate(scorer, dataset).equals(expected)


def test_the_popularity_baseline_is_such_a_scorer(dataset):
    counts = training_counts(dataset)
    assert counts.sum() == dataset.sequences.num_events - 2 * dataset.sequences.num_users
    found = fedrec.evaluate(popularity_scorer(counts), dataset, "full", "validation")
    ours = fedrec.evaluate(lambda h: np.tile(counts[1:], (len(h), 1)), dataset, stage="validation")
    assert found.equals(ours)


@pytest.mark.parametrize(
    ("scorer", "options", "error", "message"),
    [
        (
            lambda h: np.zeros((len(h), 7)),
            {},
            EvaluationError,
            r"returned shape \(30, 7\) for 30 users, expected \(30, 40\)",
        ),
        (lambda h: np.full((len(h), 40), np.nan), {}, EvaluationError, "NaN"),
        (by_number, {"protocol": "al"}, ConfigError, "protocol must be one of full"),
        (by_number, {"stage": "train"}, ConfigError, "stage must be one of"),
        (by_number, {"at": (50,)}, ConfigError, "only 40 items are ranked"),
    ],
)
def test_what_cannot_be_ranked_is_refused(dataset, scorer, options, error, message):
    with pytest.raises(error, match=message):
        fedrec.evaluate(scorer, dataset, **options)


def test_a_frame_is_no_dataset(ratings):
    with pytest.raises(DataError, match=r"fedrec\.Dataset\.from_frame"):
        fedrec.evaluate(by_number, ratings)


def test_a_fitted_estimator_is_evaluated_by_its_scorer(dataset):
    model = fedrec.SASRec(**SMALL).fit(dataset)
    found = fedrec.evaluate(model, dataset)
    assert found.equals(fedrec.evaluate(model.scorer, dataset))
    np.testing.assert_allclose(found["value"], model.evaluate()["value"])
    other = fedrec.Dataset.load("synthetic:users=30,items=60")
    with pytest.raises(DataError, match="has other items than the estimator was fitted on"):
        fedrec.evaluate(model, other)
    with pytest.raises(DataError, match=r"users must be a list of ids, got 5; write \[5\]"):
        model.recommend(5)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda ds: fedrec.evaluate(3, ds), ConfigError, "scorer must be a function .* got int"),
        (lambda ds: fedrec.evaluate(fedrec.SASRec(), ds), ConfigError, "is not fitted; call fit"),
        (lambda _: fedrec.Dataset.from_frame([1]), DataError, "must be a pandas DataFrame, got li"),
        (lambda _: fedrec.Dataset.load(3), DataError, "must be a dataset's name or a path, got 3"),
        (lambda _: fedrec.simulate(3), ConfigError, "settings must be a preset's name.* got 3"),
    ],
)
def test_what_is_of_no_use_is_refused_in_one_line(dataset, call, kind, message):
    with pytest.raises(kind, match=message):
        call(dataset)


def test_a_frame_is_told_of_its_columns_alone_and_an_engine_without_an_option(ratings):
    with pytest.raises(DataError, match=r"no column 'user', its columns are \['item'\], .* set"):
        fedrec.Dataset.from_frame(ratings[["item"]])
    with pytest.raises(ConfigError, match=r"^engine must be one of .*, got 'foo'"):
        fedrec.simulate(engine="foo")
