"""Users one after the other by the kernel, beside the loop and beside the engine in torch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.native.updates import Layout, add_update
from fedrec.training.cohort import train
from fedrec.training.cohort.native_users import native_users
from fedrec.training.updates.quantization import int8_steps
from tests.training.cohort.one_by_one import (
    LOSSES,
    assert_equal_to_the_loop,
    cohort,
    histories,
    loss_named,
    plan,
)
from tests.training.kernel_models import sasrec

LENGTHS = (2, 3, 10, 11, 12, 31, 1)  # a window has 10 targets
EVERYBODY = range(len(LENGTHS))
WHO_TRAINS = EVERYBODY[:-1]


def by_kernel(name, own_history="leave-out"):
    return replace(loss_named(name, own_history), uses_kernel=True)


def softmax():
    return by_kernel("softmax")


def one_step(**keys):
    return plan(**({"steps": 1, "dropout": 0.2} | keys))


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """How often the kernel was asked for; a test that never takes it would show nothing."""
    made = []

    def counted(*told):
        made.append(native_users(*told))
        return made[-1]

    monkeypatch.setattr(train, "native_users", counted)
    return made


def by_torch(monkeypatch, model, *told):
    with monkeypatch.context() as context:
        context.setattr(train, "native_users", lambda *_: None)
        return cohort(model, *told)


@pytest.mark.parametrize("own_history", ["leave-out", "keep"])
@pytest.mark.parametrize(
    ("block", "positions"), [("sasrec", "from-first"), ("pre-norm", "from-last")]
)
@pytest.mark.parametrize(
    "asked",
    [
        one_step(),
        one_step(weighting="uniform", newest_windows=1, dropout=0.0),
        one_step(clip_norm=0.3),
        one_step(steps=3, batch_size=1, clip_norm=1e3),
    ],
)
def test_users_by_the_kernel_equal_the_loop(calls, asked, block, positions, own_history):
    model, training = sasrec(block, positions), histories(*LENGTHS)
    assert_equal_to_the_loop(model, training, EVERYBODY, asked, by_kernel("softmax", own_history))
    assert calls[0] is not None


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("own_history", ["leave-out", "keep"])
@pytest.mark.parametrize(
    "asked",
    [
        one_step(),
        one_step(steps=3),
        one_step(clip_norm=0.3),
        one_step(steps=2, weight_decay=0.1, proximal_mu=0.5, weighting="uniform"),
    ],
)
def test_every_loss_by_the_kernel_equals_the_loop(calls, name, asked, own_history):
    loss = by_kernel(name, own_history)
    assert_equal_to_the_loop(sasrec(), histories(*LENGTHS), EVERYBODY, asked, loss)
    assert calls[0] is not None


@pytest.mark.parametrize("upload", ["int8", "float16"])
@pytest.mark.parametrize(("name", "steps"), [("softmax", 1), ("sampled-softmax", 1), ("bce", 2)])
def test_a_rounded_update_is_the_one_that_torch_rounds(monkeypatch, upload, name, steps):
    """The same draws: but for gradients' last digit, a number is rounded the same way."""
    model, training, asked = sasrec(), histories(*LENGTHS), one_step(upload=upload, steps=steps)
    is_same = []
    for user in WHO_TRAINS:
        one = cohort(model, training, [user], asked, by_kernel(name))
        other = by_torch(monkeypatch, model, training, [user], asked, by_kernel(name))
        for name_, found in one.total.items():
            expected = other.total[name_]
            step = np.abs(expected).max() / (127 if upload == "int8" else 1024)
            assert np.abs(found - expected).max() <= 1.001 * step, name_
            is_same += (np.abs(found - expected) <= 1e-5 * np.abs(expected).max()).flat
    assert np.mean(is_same) > 0.98


def test_int8_is_whole_multiples_of_a_step():
    asked = one_step(upload="int8", weighting="uniform")
    exact = cohort(sasrec(), histories(*LENGTHS), [5], replace(asked, upload="float32"), softmax())
    found = cohort(sasrec(), histories(*LENGTHS), [5], asked, softmax())
    for name, total in found.total.items():
        step = np.abs(exact.total[name]).max() / 127
        levels = total / step
        np.testing.assert_allclose(levels, levels.round(), atol=1e-3, err_msg=name)
        assert np.abs(total - exact.total[name]).max() < 1.001 * step
    assert np.unique((found.total["rows"] / step).round()).size > 10


@settings(max_examples=10, deadline=None)
@given(
    order=st.permutations(range(7)),
    steps=st.integers(1, 2),
    upload=st.sampled_from(["float32", "int8"]),
    clip=st.sampled_from([0.0, 0.5]),
)
def test_the_order_of_users_changes_no_bit(order, steps, upload, clip):
    asked = one_step(upload=upload, clip_norm=clip, steps=steps)
    model, training = sasrec(), histories(*LENGTHS)
    one = cohort(model, training, EVERYBODY, asked, softmax())
    other = cohort(model, training, order, asked, softmax())
    for name in one.total:
        np.testing.assert_array_equal(one.total[name], other.total[name])
    np.testing.assert_array_equal(one.losses, other.losses)
    np.testing.assert_array_equal(one.norms, other.norms)


@pytest.mark.parametrize("upload", ["float32", "int8"])
@pytest.mark.parametrize(("name", "steps"), [("softmax", 1), ("sampled-softmax", 2), ("bpr", 1)])
def test_what_is_told_of_users_is_what_torch_tells(monkeypatch, upload, name, steps):
    model, training, asked = sasrec(), histories(*LENGTHS), one_step(upload=upload, steps=steps)
    one = cohort(model, training, EVERYBODY, asked, by_kernel(name))
    other = by_torch(monkeypatch, model, training, EVERYBODY, asked, by_kernel(name))
    assert one.weight == other.weight
    for name in ("users", "targets", "trained", "rows", "row_weights", "idle", "excluded"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-5)
    np.testing.assert_allclose(one.norms, other.norms, rtol=1e-5)


@pytest.mark.parametrize("upload", ["float32", "int8"])
def test_a_user_whose_update_is_out_of_bounds_costs_nobody_else(monkeypatch, upload):
    model, training = sasrec(), histories(*LENGTHS)
    norms = cohort(model, training, EVERYBODY, one_step(clip_norm=1e9), softmax()).norms
    longest, second = np.argsort(norms)[::-1][:2]
    middle = (norms[longest] + norms[second]) / 2
    weights = torch.cat([one.detach().flatten() for one in model.parameters()]).norm()
    asked = one_step(upload=upload, outlier_limit=float(middle / weights))
    got = cohort(model, training, EVERYBODY, asked, softmax())
    rest = [user for user in WHO_TRAINS if user != longest]
    without = cohort(model, training, rest, asked, softmax())
    assert list(got.excluded) == [longest]
    assert got.too_large.all()
    assert list(got.users) == rest
    for name, total in got.total.items():
        np.testing.assert_allclose(total, without.total[name], atol=1e-6)


def test_numbers_that_are_not_finite_are_left_out():
    model, training = sasrec(), histories(*LENGTHS)
    with torch.no_grad():
        model.encoder.positions[9] = torch.nan  # read where a window is full
    got = cohort(model, training, EVERYBODY, one_step(upload="int8"), softmax())
    assert list(got.users) == [0, 1, 2]
    assert list(got.excluded) == [3, 4, 5]
    assert not got.too_large.any()
    assert all(np.isfinite(total).all() for total in got.total.values())


@pytest.mark.parametrize(
    ("asked", "loss"),
    [
        (one_step(), loss_named("softmax")),
        (one_step(optimizer="adam"), softmax()),
        (one_step(), replace(softmax(), cold=(3,))),
        (one_step(), by_kernel("tests.training.own_losses:hinge")),
    ],
)
def test_what_the_kernel_does_not_know_goes_through_torch(calls, asked, loss):
    cohort(sasrec(), histories(*LENGTHS), EVERYBODY, asked, loss)
    assert calls == [None]


def test_one_clipped_step_of_fedprox_moves_nothing_that_was_not_read():
    asked = one_step(proximal_mu=0.9, clip_norm=1e9)
    found = cohort(sasrec(), histories(4), [0], asked, by_kernel("bce")).total
    assert found["encoder.positions"][:3].any()
    assert not found["encoder.positions"][3:].any()
    assert not found["rows"][0].any()


def test_a_rounded_level_is_within_127():
    # In float32 the largest, negative number over its step may be a little below -127.
    generator = torch.Generator().manual_seed(0)
    largest = -torch.rand(20_000, generator=generator) - 1e-3
    for number in largest[:200].tolist():
        update = torch.tensor([number] * 1)
        steps = int8_steps(update.abs())
        total = torch.zeros(1, dtype=torch.float64)
        layout = Layout(sizes=torch.tensor([1]), places=torch.tensor([0]), width=1, num_rows=1)
        chances = torch.zeros(1)
        add_update(total, update, layout, rate=1.0, share=1.0, steps=steps, chances=chances)
        assert abs(round(float(total / steps))) == 127


@pytest.mark.parametrize("steps", [1, 2])
def test_windows_beyond_the_positions_are_refused(steps):
    asked = one_step(max_length=20, steps=steps)
    with pytest.raises(IndexError, match="20 targets; the transformer has 10 positions"):
        cohort(sasrec(), histories(31), [0], asked, softmax())


def test_a_block_of_ones_own_goes_through_torch(calls):
    model = sasrec()
    kind = type(model.encoder.blocks[1])
    model.encoder.blocks[1].__class__ = type("Mine", (kind,), {})
    cohort(model, histories(*LENGTHS), EVERYBODY, one_step(), softmax())
    assert calls == [None]


def test_who_watches_gets_weights_of_each_user(calls):
    seen = []
    told = (histories(*LENGTHS), EVERYBODY, one_step(), softmax())
    cohort(sasrec(), *told, watch=lambda now: seen.append(len(now.group)))
    assert calls == []
    assert sum(seen) == 2 * len(WHO_TRAINS)


@pytest.mark.parametrize("name", ["softmax", "sampled-softmax"])
@pytest.mark.parametrize("upload", ["float32", "int8"])
def test_a_user_in_company_is_the_user_alone(name, upload):
    """A long one too, whose sums are made in chunks."""
    training, asked = histories(2600, 12, 5), one_step(upload=upload, clip_norm=1e9)
    together = cohort(sasrec(), training, [0, 1, 2], asked, by_kernel(name))
    for user in range(3):
        alone = cohort(sasrec(), training, [user], asked, by_kernel(name))
        assert alone.norms[0] == together.norms[user]
        assert alone.losses[0] == together.losses[user]
