"""Ranks: ties by half, nothing excluded counts, NaN never passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.errors import EvaluationError
from fedrec.evaluation import ranking
from fedrec.evaluation.ranking import candidate_ranks, num_candidates, ranks_of


def rank_by_loop(scores, target, excluded):
    """Count item by item, as the definition reads."""
    rank = 1.0
    for item in range(1, len(scores)):
        if item == target or excluded[item]:
            continue
        if scores[item] > scores[target]:
            rank += 1
        elif scores[item] == scores[target]:
            rank += 0.5
    return rank


@st.composite
def cases(draw):
    users, items = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Few distinct values, so that ties are common.
    scores = rng.integers(0, draw(st.integers(1, 5)), size=(users, items + 1)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    excluded = rng.random(scores.shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    return scores, rng.integers(1, items + 1, size=users), excluded


def test_rank_counts_better_items_and_half_of_the_equal_ones():
    scores = np.array([[9.0, 5.0, 7.0, 5.0, 8.0, 5.0, 1.0]])  # column 0 is padding
    # item 1 scores 5: items 2 and 4 are better, items 3 and 5 equal: 1 + 2 + 2/2
    np.testing.assert_array_equal(ranks_of(scores, np.array([1])), [4.0])


def test_excluded_items_count_neither_as_better_nor_as_equal():
    scores = np.array([[0.0, 5.0, 7.0, 5.0, 8.0]])
    excluded = np.array([[False, False, True, True, False]])
    np.testing.assert_array_equal(ranks_of(scores, np.array([1]), excluded), [2.0])  # item 4


def test_a_target_in_the_history_is_still_a_candidate():
    scores = np.array([[0.0, 5.0, 7.0, 5.0]])
    excluded = np.array([[False, True, False, False]])
    np.testing.assert_array_equal(ranks_of(scores, np.array([1]), excluded), [2.5])


def test_minus_infinity_is_a_score_below_all_others():
    scores = np.array([[0.0, 1.0, -np.inf, -np.inf]])
    np.testing.assert_array_equal(ranks_of(scores, np.array([1])), [1.0])
    np.testing.assert_array_equal(ranks_of(scores, np.array([2])), [2.5])


@given(cases())
def test_full_ranks_equal_the_loop(case):
    scores, targets, excluded = case
    expected = [rank_by_loop(*row) for row in zip(scores, targets, excluded, strict=True)]
    np.testing.assert_array_equal(ranks_of(scores, targets, excluded), expected)


@given(cases())
def test_size_of_the_blocks_changes_no_rank(case):
    scores, targets, excluded = case
    whole = ranks_of(scores, targets, excluded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "_BLOCK_CELLS", 1)
        np.testing.assert_array_equal(ranks_of(scores, targets, excluded), whole)


@given(cases())
def test_candidates_are_ranked_as_the_catalogue_is(case):
    scores, targets, _ = case
    own = scores[np.arange(len(scores)), targets]
    others = [np.delete(row[1:], target - 1) for row, target in zip(scores, targets, strict=True)]
    np.testing.assert_array_equal(
        candidate_ranks(np.column_stack([own, np.array(others)])), ranks_of(scores, targets)
    )


def test_excluded_candidates_do_not_count():
    scores = np.array([[5.0, 7.0, 5.0, 9.0]])
    excluded = np.array([[True, False, True, True]])
    np.testing.assert_array_equal(candidate_ranks(scores, excluded), [2.0])


@given(cases())
def test_rank_lies_between_1_and_the_number_of_candidates(case):
    scores, targets, excluded = case
    ranks = ranks_of(scores, targets, excluded)
    assert np.all((ranks >= 1) & (ranks <= num_candidates(targets, excluded)))


def test_number_of_candidates_counts_open_items_and_the_target():
    excluded = np.array([[False, True, True, False], [True, False, True, False]])
    np.testing.assert_array_equal(num_candidates(np.array([1, 1]), excluded), [2, 2])


def test_nan_scores_are_refused_with_the_number_of_users():
    scores = np.zeros((4, 6))
    scores[1, 3] = scores[3, 1] = scores[3, 2] = np.nan
    with pytest.raises(EvaluationError, match="2 of 4 users have NaN scores"):
        ranks_of(scores, np.full(4, 5))
    with pytest.raises(EvaluationError, match="2 of 4 users have NaN scores"):
        candidate_ranks(scores)


def test_a_nan_of_the_target_is_refused():
    with pytest.raises(EvaluationError, match="1 of 1 users"):
        ranks_of(np.array([[0.0, np.nan, 1.0]]), np.array([1]))


def test_all_equal_scores_give_the_middle_rank():
    ranks = ranks_of(np.zeros((3, 101)), np.array([1, 50, 100]))
    np.testing.assert_array_equal(ranks, [50.5] * 3)  # (1 + 100) / 2
    np.testing.assert_array_equal(candidate_ranks(np.zeros((2, 100))), [50.5] * 2)


def test_the_score_of_the_padding_item_is_never_read():
    assert ranks_of(np.array([[np.nan, 2.0, 1.0]]), np.array([1])) == [1.0]
    assert ranks_of(np.array([[np.inf, 2.0, 1.0]]), np.array([1])) == [1.0]


@pytest.mark.parametrize("target", [0, 4, -1])
def test_a_target_outside_the_catalogue_is_refused(target):
    with pytest.raises(EvaluationError, match=r"items of 1\.\.3"):
        ranks_of(np.zeros((1, 4)), np.array([target]))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(EvaluationError, match="one target a user"):
        ranks_of(np.zeros((2, 4)), np.array([1]))
    with pytest.raises(EvaluationError, match="excluded is"):
        ranks_of(np.zeros((1, 4)), np.array([1]), np.zeros((1, 3), dtype=bool))
    with pytest.raises(EvaluationError, match="excluded is"):
        candidate_ranks(np.zeros((1, 4)), np.zeros((1, 3), dtype=bool))
    with pytest.raises(EvaluationError, match="must be"):
        candidate_ranks(np.zeros(4))
