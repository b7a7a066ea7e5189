"""A model's search over its catalogue, against the scores that evaluation ranks by."""

import numpy as np
import pytest
import torch

from fedrec.data.sequences import history_mask
from fedrec.errors import EvaluationError
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.evaluation.ranking import ranks_of
from fedrec.inference.search import ItemSearch

HISTORIES = [np.array([3, 9, 9, 27]), np.array([40]), np.arange(1, 15)]  # the last is cut at 10


def search_of(model, **more):
    return ItemSearch(model, 40, 10, **more)


@pytest.mark.parametrize("name", ["hybrid", "sasrec"])
def test_the_best_are_the_best_of_the_scores_that_evaluation_ranks(make_tiny, name):
    model = make_tiny(name=name)
    scores = model_scorer(model, 40, 10)(HISTORIES).scores
    scores[history_mask(HISTORIES, 40)] = -np.inf
    scores[:, 0] = -np.inf
    expected = np.argsort(-scores, axis=1)[:, :6]
    found = search_of(model).top(HISTORIES, 6)
    np.testing.assert_array_equal(found.items, expected)
    np.testing.assert_allclose(
        found.scores, np.take_along_axis(scores, expected, axis=1), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("score_bytes", [1, 100, 1000])
def test_less_memory_for_scores_changes_no_answer(make_tiny, score_bytes):
    model = make_tiny()
    found = search_of(model, score_bytes=score_bytes).top(HISTORIES, 40)
    np.testing.assert_array_equal(found.items, search_of(model).top(HISTORIES, 40).items)


def test_one_history_gets_in_a_batch_what_it_gets_alone(make_tiny):
    search = search_of(make_tiny())
    together = search.top(HISTORIES, 5).items
    for row, history in enumerate(HISTORIES):
        np.testing.assert_array_equal(search.top([history], 5).items[0], together[row])


def test_nothing_is_left_out_unless_it_is_asked_for(make_tiny):
    found = search_of(make_tiny()).top(HISTORIES, 40, exclude=False)
    np.testing.assert_array_equal(np.sort(found.items), np.tile(np.arange(1, 41), (3, 1)))


@pytest.mark.parametrize("item", [1, 9, 23, 40])
@pytest.mark.parametrize("exclude", [True, False])
def test_a_rank_is_the_one_of_evaluation(make_tiny, item, exclude):
    model = make_tiny()
    scores = model_scorer(model, 40, 10)(HISTORIES[:1]).scores
    seen = history_mask(HISTORIES[:1], 40) if exclude else None
    search = search_of(model, score_bytes=28)  # 7 items at a time
    rank = search.rank(HISTORIES[0], item, exclude=exclude)
    assert rank == ranks_of(scores, np.array([item]), seen)[0]


def test_the_nearest_have_the_largest_cosine_and_an_item_is_not_near_itself(make_tiny):
    search = search_of(make_tiny())
    vectors = search.vectors.double().numpy()[1:]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors[11]
    cosines[11] = -2
    items, scores = search.nearest(12, 4)
    np.testing.assert_array_equal(items, np.argsort(-cosines)[:4] + 1)
    np.testing.assert_allclose(scores, np.sort(cosines)[::-1][:4], atol=1e-6)


def test_memory_is_what_the_arrays_take(make_tiny):
    held = search_of(make_tiny(), score_bytes=640).bytes_held
    assert held["vectors"] == 41 * 8 * 4
    assert held["scores"] == 640


def test_a_model_that_diverged_is_refused(make_tiny):
    model = make_tiny()
    with torch.no_grad():
        model.views["identity"].rows[7, 0] = torch.nan
    with pytest.raises(EvaluationError, match="NaN or infinity"):
        search_of(model)


def test_a_model_whose_states_diverged_gives_no_ranks(make_tiny):
    model = make_tiny()
    with torch.no_grad():
        model.encoder.final_norm.weight[0] = torch.nan
    search = search_of(model)
    with pytest.raises(EvaluationError, match="states after a history hold NaN"):
        search.top(HISTORIES, 3)
    with pytest.raises(EvaluationError, match="states after a history hold NaN"):
        search.rank(HISTORIES[0], 5)
