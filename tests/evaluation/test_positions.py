"""Every position of unseen users: the next item after each of their histories."""

import numpy as np
import pytest

from fedrec.data.sequences import Sequences
from fedrec.evaluation.further.positions import FIGURES, position_metrics, position_sums
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scores


def sequences(rows):
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(np.concatenate(rows).astype(np.int32), offsets)


def ordered(histories, *_):
    """Items in the order of their numbers, the lowest first."""
    return Scores(np.tile(-np.arange(13.0), (len(histories), 1)), no_gates())


def test_sums_by_hand():
    found = position_sums(
        ordered, sequences([[1, 2, 3, 4], [9], [2, 5]]), np.array([0, 1, 2]), first=1, num_items=12
    )
    # User 0: items 2, 3, 4 have the ranks 2, 3, 4; without what was had before, all are first.
    # User 2: item 5 has rank 5, without item 2 rank 4. User 1 has no second event.
    ndcg = 1 / np.log2([3, 4, 5, 6])
    np.testing.assert_array_equal(found[:, 0, 0], [3, 0, 1])
    np.testing.assert_allclose(found[0, 0], [3, 0, 3, 3, ndcg[:3].sum(), ndcg[:3].sum()])
    np.testing.assert_allclose(found[0, 1], [3, 3, 3, 3, 3, 3])
    np.testing.assert_allclose(found[2, 0], [1, 0, 1, 1, ndcg[3], ndcg[3]])
    np.testing.assert_allclose(found[2, 1], [1, 0, 1, 1, ndcg[2], ndcg[2]])
    assert not found[1].any()


def test_positions_begin_behind_so_many_events_and_are_those_of_a_loop():
    rng = np.random.default_rng(4)
    rows = [rng.integers(1, 13, size=n) for n in (90, 5, 31, 70)]

    def scorer(histories, *_):
        scores = [np.cos(np.arange(13) * (1 + h[-1]) + len(h)) for h in histories]
        return Scores(np.stack(scores), no_gates())

    users = np.array([0, 2, 3])
    found = position_sums(scorer, sequences(rows), users, first=30, num_items=12)
    for place, user in enumerate(users):
        expected = np.zeros((2, 2))
        for position in range(30, len(rows[user])):
            scores = scorer([rows[user][:position]]).scores[0]
            target = rows[user][position]
            for way, left_out in enumerate(([], rows[user][:position])):
                others = [i for i in range(1, 13) if i not in left_out and i != target]
                rank = 1 + sum(scores[i] > scores[target] for i in others)
                expected[way] += [1, rank <= 5]
        np.testing.assert_array_equal(found[place][:, [0, 2]], expected)


def test_a_mean_is_over_positions_and_its_interval_over_users():
    sums = np.zeros((3, 2, 6))
    sums[0, :] = [8, 4, 8, 8, 8, 8]  # 4 of 8 positions are hits
    sums[1, :] = [2, 2, 2, 2, 2, 2]  # 2 of 2
    found = position_metrics(sums, seed=0, name="test", resamples=200)
    assert (found["users"], found["positions"]) == (2, 10)
    cell = found["seen kept"]["HR@1"]
    assert cell["value"] == pytest.approx(0.6)  # and not the mean over users, 0.75
    assert (cell["low"], cell["high"]) == (0.5, 1.0)  # either user twice
    assert set(found["seen left out"]) == set(FIGURES)


def test_no_position_at_all_has_no_figure():
    found = position_metrics(np.zeros((3, 2, 6)), seed=0, name="test", resamples=5)
    assert found == {"users": 0, "positions": 0}
