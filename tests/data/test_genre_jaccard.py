"""Genres in common of the first item of a ranking and the item that came next."""

import numpy as np

from fedrec.data.genre_profiles import genre_jaccard

#        none        A          A B        B C        A B C      no genre
GENRES = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]]


def found(scores, targets, excluded=None, items=None):
    scores = np.array(scores, dtype=float)
    hidden = np.zeros_like(scores, dtype=bool) if excluded is None else np.array(excluded, bool)
    numbers = np.arange(6) if items is None else np.array(items)
    return genre_jaccard(scores, numbers, np.array(targets), hidden, np.array(GENRES, float))


def test_shares_by_hand():
    # First is item 3 (B C), the target item 2 (A B): 1 of 3. In the mean: 1/2, 1, 1/3, 2/3, 0.
    np.testing.assert_allclose(found([[9, 1, 2, 7, 3, 4]], [2]), [[1 / 3, 2.5 / 5]])


def test_what_is_left_out_is_neither_first_nor_in_the_mean_but_the_target_is():
    hidden = [[0, 0, 1, 1, 0, 1]]
    np.testing.assert_allclose(found([[9, 1, 2, 7, 3, 4]], [2], hidden), [[2 / 3, 6.5 / 9]])


def test_of_equals_the_lowest_number_is_first_wherever_the_target_stands():
    alone = found([[1, 1, 1]], [3], items=[[3, 1, 4]])
    np.testing.assert_allclose(alone, [[0, (1 + 0 + 2 / 3) / 3]])


def test_a_target_without_genre_and_candidates_that_cannot_be_drawn_have_none():
    assert np.isnan(found([[0, 1, 2, 3, 4, 5]], [5])).all()
    drawn = np.zeros((1, 3), dtype=int)
    assert np.isnan(found([[0, 0, 0]], [2], drawn == 0, drawn)).all()
