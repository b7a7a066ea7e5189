"""What the published scoring gives to lists that know nothing."""

import numpy as np
import pytest

from fedrec.dualrec.published import (
    ANY_OF_FIVE,
    NEXT_ITEM,
    WITH_THE_TRUTH,
    exhibit_of_published_scoring,
    random_lists,
)
from fedrec.errors import EvaluationError

TITLES = ["Kettle (1979)", "Kettles (1986)", "Harrow Lane (1960)", "Orchard (1991)", "Fog (1950)"]
TABLE = np.vstack([np.zeros(5), np.eye(5)])
GENRES = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [1, 1], [0, 1]])


def test_three_scorings_of_one_list_by_hand():
    lists, truths = np.array([[5, 3, 4]]), np.array([[4, 3]])
    honest, lenient, published = exhibit_of_published_scoring(
        lists, np.array([1]), truths, TITLES, TABLE, genres=GENRES, at=(1, 2, 3)
    )
    assert [honest.scoring, lenient.scoring, published.scoring] == [
        NEXT_ITEM,
        ANY_OF_FIVE,
        WITH_THE_TRUTH,
    ]
    # The next item, 4, stands third.
    assert honest.hit_rate == {1: 0, 2: 0, 3: 1}
    assert honest.ndcg == {1: 0, 2: 0, 3: 1 / np.log2(4)}
    # Item 3 is one of the last, and stands second.
    assert lenient.hit_rate == {1: 0, 2: 1, 3: 1}
    # Both true items have cosine 1 to the truth, so that they move to the front.
    assert published.hit_rate == {1: 1, 2: 1, 3: 1}
    # Item 5 {second} with item 4 {both}: 1/2; with item 3 {second}: 1. Then item 3 with itself.
    assert (honest.genre_jaccard, lenient.genre_jaccard, published.genre_jaccard) == (0.5, 1, 1)


def test_a_look_alike_passes_for_the_true_film_as_published():
    honest, lenient, _ = exhibit_of_published_scoring(
        np.array([[2]]), np.array([5]), np.array([[1]]), TITLES, TABLE, at=(1,)
    )
    # "kettle (1979)" and "kettles (1986)": 2 * 11 / 27 letters in common, .81
    assert (honest.hit_rate[1], lenient.hit_rate[1]) == (0, 1)
    assert honest.genre_jaccard is None


def test_random_lists_gain_from_the_scoring_alone():
    users, items = 300, 100
    stream = np.random.default_rng(0)
    truths = np.array([stream.permutation(np.arange(1, items + 1))[:5] for _ in range(users)])
    lists = random_lists(users, items, 10, seed=7)
    titles = [f"{stream.integers(10**12)} ({year})" for year in range(1900, 1900 + items)]
    table = np.vstack([np.zeros(8), stream.normal(size=(items, 8))])
    honest, lenient, published = exhibit_of_published_scoring(
        lists, lists[:, 0], truths, titles, table
    )
    # 10 draws of 100 hold one of five in 42 % of the lists; the truth brings it to the front.
    assert honest.hit_rate[1] < 0.03
    assert lenient.hit_rate[1] < 0.12
    assert published.hit_rate[1] >= lenient.hit_rate[1]
    assert 0.3 < published.hit_rate[5] < 0.55
    assert published.hit_rate[5] > 5 * honest.hit_rate[5]


def test_random_lists_are_the_seeds_and_leave_the_history_out():
    one = random_lists(3, 9, 4, seed=1, excluded=[[1, 2], [], [9]])
    np.testing.assert_array_equal(one, random_lists(3, 9, 4, seed=1, excluded=[[1, 2], [], [9]]))
    assert not set(one[0]) & {1, 2}
    assert 9 not in one[2]
    assert all(len(set(row)) == 4 and min(row) >= 1 and max(row) <= 9 for row in one.tolist())
    with pytest.raises(EvaluationError, match="user 0 has 2 items to draw 4 from"):
        random_lists(1, 3, 4, seed=1, excluded=[[1]])


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(EvaluationError, match=r"lists must be \(users, K\)"):
        exhibit_of_published_scoring(np.array([[1]]), np.array([1]), np.array([1]), TITLES, TABLE)
