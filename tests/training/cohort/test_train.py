"""Laws of the cohort engine, and who takes part."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.training.cohort.groups import item_rows
from fedrec.training.cohort.groups.item_rows import COPIES, most_sets
from tests.training.cohort.one_by_one import cohort, histories, loss_named, plan, shaken

LENGTHS = (2, 3, 5, 9, 10, 11, 12, 21, 31, 47, 1)


# --- laws ---------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(10)), steps=st.integers(1, 2))
def test_the_order_of_users_changes_no_bit(make_tiny, order, steps):
    model, training = shaken(make_tiny(), torch.float32), histories(*LENGTHS)
    asked = plan(steps=steps, group_tokens=70, dropout=0.2)
    one = cohort(model, training, range(10), asked, loss_named("bce"))
    other = cohort(model, training, order, asked, loss_named("bce"))
    for name in one.total:
        np.testing.assert_array_equal(one.total[name], other.total[name])
    np.testing.assert_array_equal(one.losses, other.losses)


@settings(max_examples=8, deadline=None)
@given(cut=st.integers(1, 9), tokens=st.integers(1, 300), steps=st.integers(1, 2))
def test_cohorts_of_two_calls_add_up_to_one(make_tiny, cut, tokens, steps):
    model, training = shaken(make_tiny()), histories(*LENGTHS)
    whole = cohort(model, training, range(10), plan(steps=steps), loss_named("sampled-softmax"))
    asked = plan(steps=steps, group_tokens=tokens)
    parts = [
        cohort(model, training, users, asked, loss_named("sampled-softmax"))
        for users in (range(cut), range(cut, 10))
    ]
    assert whole.weight == sum(part.weight for part in parts)
    for name, total in whole.total.items():
        np.testing.assert_allclose(total, sum(p.total[name] for p in parts), atol=1e-10)


@pytest.mark.parametrize("users", [1, 3])
@pytest.mark.parametrize("name", ["softmax", "sampled-softmax"])
def test_groups_that_memory_bounds_add_up_to_the_same(make_tiny, monkeypatch, users, name):
    model, training = shaken(make_tiny()), histories(*LENGTHS)
    asked = plan(steps=2)
    loss = loss_named(name)
    whole = cohort(model, training, range(10), asked, loss)
    row = COPIES * bytes_of_a_row(model)
    rows = loss.num_items + 1 if name == "softmax" else loss.shared_negatives
    monkeypatch.setattr(item_rows, "GROUP_BYTES", users * row * rows)
    sizes = []

    def watch(now):
        if now.steps == 0:
            sizes.append(len(now.group))

    small = cohort(model, training, range(10), asked, loss, watch=watch)
    assert max(sizes) == users
    assert sum(sizes) == 10
    for key, total in whole.total.items():
        np.testing.assert_allclose(total, small.total[key], atol=1e-10)


def bytes_of_a_row(model):
    """Of all item arrays together."""
    arrays = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return sum(arrays[name].nbytes // len(arrays[name]) for name in model.item_arrays)


def test_as_many_sets_as_fit_are_in_a_group_and_one_always(make_tiny, monkeypatch):
    model = shaken(make_tiny())
    row = bytes_of_a_row(model)
    monkeypatch.setattr(item_rows, "GROUP_BYTES", COPIES * 5 * row * 7)
    assert most_sets(model, 5) == 7
    monkeypatch.setattr(item_rows, "GROUP_BYTES", COPIES * 5 * row * 7 - 1)
    assert most_sets(model, 5) == 6
    assert most_sets(model, 10**9) == 1


def test_the_model_is_left_as_it_was(make_tiny):
    model = shaken(make_tiny(), torch.float32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for steps in (1, 2):
        cohort(model, histories(*LENGTHS), range(10), plan(steps=steps), loss_named("bce"))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
        assert value.shape == before[name].shape
    assert all(parameter.grad is None for parameter in model.parameters())


# --- who takes part -----------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2])
def test_a_user_whose_update_is_not_finite_costs_nobody_else(make_tiny, steps):
    model = shaken(make_tiny(name="sasrec"))
    rows = [np.array([1, 2, 3]), np.array([4, 40, 5, 6]), np.array([7, 8]), np.array([2, 9, 1])]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    training = Sequences(np.concatenate(rows).astype(np.int32), offsets)
    with torch.no_grad():
        model.rows[40] = torch.inf  # read by user 1 alone
    # StepSeeds of this seed do not touch item 40 for the three others.
    got = cohort(model, training, range(4), plan(steps=steps), loss_named("bce"), round=2)
    without = cohort(model, training, [0, 2, 3], plan(steps=steps), loss_named("bce"), round=2)
    assert list(got.excluded) == [1]
    assert list(got.users) == [0, 2, 3]
    assert got.weight == without.weight == 2 + 1 + 2
    for name, total in got.total.items():
        assert np.isfinite(total).all()
        np.testing.assert_allclose(total, without.total[name], atol=1e-10)


def test_a_user_with_one_training_event_is_idle(make_tiny):
    got = cohort(shaken(make_tiny()), histories(1, 4, 1), [2, 1, 0], plan(), loss_named("bce"))
    assert list(got.idle) == [0, 2]
    assert list(got.users) == [1]
    assert got.weight == 3


def test_a_cohort_of_idle_users_sends_zeros_of_no_weight(make_tiny):
    got = cohort(shaken(make_tiny()), histories(1, 1), [0, 1], plan(), loss_named("bce"))
    assert got.weight == 0
    assert all((total == 0).all() for total in got.total.values())


def test_an_unknown_optimizer_is_refused(make_tiny):
    with pytest.raises(ConfigError, match="sgd, adam or adamw, got 'lion'"):
        cohort(make_tiny(), histories(5), [0], plan(optimizer="lion"), loss_named("bce"))
