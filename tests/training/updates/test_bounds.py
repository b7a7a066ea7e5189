"""Who goes too far is left out by its own update and loss alone, whoever trains beside it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.training.updates.bounds import LARGEST_NORM, largest_norm, norm_of
from tests.training.cohort.one_by_one import (
    by_the_loop,
    cohort,
    histories,
    loss_named,
    plan,
    shaken,
)

LENGTHS = (2, 3, 5, 9, 10, 11, 12, 21, 31, 47)


def test_the_longest_update_by_hand():
    weights = [np.array([3.0], dtype=np.float32), np.array([[0.0, 4.0]], dtype=np.float32)]
    assert norm_of(weights) == 5.0
    assert largest_norm(weights, 100.0) == 500.0
    assert largest_norm([np.full(4, 1e-9)], 100.0) == 100.0  # near zero, as from 1
    assert largest_norm([np.full(4, 1e38, dtype=np.float32)], 100.0) == LARGEST_NORM
    assert largest_norm([np.array([np.nan])], 100.0) == LARGEST_NORM
    assert largest_norm([np.ones(1)], float("inf")) == LARGEST_NORM


def size_of(model):
    return norm_of(p.detach().numpy() for p in model.parameters())


@settings(max_examples=5, deadline=None)
@given(
    far=st.integers(1, 9),
    cut=st.integers(1, 9),
    tokens=st.sampled_from([1, 70, 5000]),
    steps=st.integers(1, 2),
    weighting=st.sampled_from(["num-examples", "uniform"]),
)
def test_whose_update_is_too_long_goes_however_users_are_spread(
    make_tiny, far, cut, tokens, steps, weighting
):
    model, training, loss = shaken(make_tiny()), histories(*LENGTHS), loss_named("bce")
    easy = plan(steps=steps, learning_rate=10.0, weighting=weighting, group_tokens=tokens)
    _, _, _, norms = by_the_loop(model, training, range(10), easy, loss)
    longest = np.sort(norms)[-far - 1 :][:2].mean()  # between two of them
    keys = {"steps": steps, "learning_rate": 10.0, "weighting": weighting, "group_tokens": tokens}
    strict = plan(**keys, outlier_limit=longest / max(1.0, size_of(model)))
    kept = [user for user in range(10) if norms[user] < longest]
    assert len(kept) == 10 - far
    parts = [cohort(model, training, users, strict, loss) for users in (range(cut), range(cut, 10))]
    assert [user for part in parts for user in part.users] == kept
    left_out = [user for part in parts for user in part.excluded]
    assert sorted([*kept, *left_out]) == list(range(10))
    assert all(part.too_large.all() for part in parts)
    total, weight, losses, _ = by_the_loop(model, training, kept, easy, loss)
    assert sum(part.weight for part in parts) == weight
    np.testing.assert_allclose([x for part in parts for x in part.losses], losses, rtol=1e-9)
    for name, value in total.items():
        found = sum(part.total[name] for part in parts)
        np.testing.assert_allclose(found, value.numpy(), atol=1e-7 * weight)


def test_a_joint_gradient_stays_joint_where_everybody_is_well_within(make_tiny):
    model, training = shaken(make_tiny(), torch.float32), histories(*LENGTHS)
    got = cohort(model, training, range(10), plan(steps=1, outlier_limit=100.0), loss_named("bce"))
    assert len(got.users) == 10
    assert np.isnan(got.norms).all()


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize(("row", "is_finite"), [(1e8, True), (float("inf"), False)])
def test_a_loss_beyond_use_costs_its_user_alone(make_tiny, steps, row, is_finite):
    model = shaken(make_tiny(name="sasrec"))
    training = histories(4, 4, 4)
    rows = training.items.reshape(3, 4)
    rows[:] = [[1, 2, 3, 4], [5, 6, 7, 40], [8, 9, 10, 11]]
    easy, loss = plan(steps=steps, outlier_limit=100.0), loss_named("softmax")
    with torch.no_grad():
        model.rows[40] = 0
    without = cohort(model, training, [0, 2], easy, loss)
    sign = 1.0
    for sign in (1.0, -1.0):  # a low score of the target, not a high one
        with torch.no_grad():
            model.rows[40] = sign * row * torch.arange(8)
        got = cohort(model, training, [1], easy, loss)
        if len(got.excluded):
            break
    assert (list(got.excluded), list(got.too_large)) == ([1], [is_finite])
    assert not any(np.abs(total).max() > 0 for total in got.total.values())
    assert got.weight == 0
    assert without.weight == 6


def test_the_rows_of_those_left_out_are_told_but_weigh_nothing(make_tiny):
    model, training = shaken(make_tiny()), histories(5, 9)
    strict = plan(steps=2, outlier_limit=1e-12)
    got = cohort(model, training, [0, 1], strict, loss_named("bce"))
    easy = cohort(model, training, [0, 1], plan(steps=2), loss_named("bce"))
    assert list(got.users) == []
    assert list(got.excluded) == [0, 1]
    np.testing.assert_array_equal(got.excluded_rows, easy.rows)
    assert got.row_weights.sum() == 0
    # 4 and 8 targets weigh what each has read.
    assert easy.row_weights.sum() == 4 * easy.rows[0] + 8 * easy.rows[1]


def test_trained_targets_by_hand(make_tiny):
    # 25 targets in windows of 10, 10 and 5; 3 steps go through them in turn.
    model, training = shaken(make_tiny()), histories(26)
    for batch_size, expected in ((0, 75), (1, 25), (2, 50), (3, 75)):
        asked = plan(steps=3, batch_size=batch_size)
        got = cohort(model, training, [0], asked, loss_named("bce"))
        assert (list(got.trained), list(got.targets)) == ([expected], [25])


def test_weight_decay_moves_every_row(make_tiny):
    model, training = shaken(make_tiny(name="sasrec")), histories(3)
    asked = plan(steps=1, optimizer="adamw", weight_decay=0.1)
    got = cohort(model, training, [0], asked, loss_named("bce"))
    assert (np.abs(got.total["rows"][1:]).max(axis=1) > 0).all()
    assert list(got.rows) == [40]
    np.testing.assert_array_equal(got.row_weights[1:], np.full(40, 2.0))
