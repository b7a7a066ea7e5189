import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.training.rounding import LEVELS, rounded


def arriving(update, kind, user=0):
    return rounded(update, kind, user, path=(1, "name"), seed=0)


@given(st.integers(0, 2**32 - 1), st.floats(-30, 30), st.sampled_from(["float16", "int8"]))
@settings(max_examples=60, deadline=None)
def test_every_number_goes_to_one_of_its_neighbours(seed, power, kind):
    update = torch.randn(50, generator=torch.Generator().manual_seed(seed)) * 2.0**power
    found = arriving(update, kind)
    largest = float(update.abs().max())
    if kind == "int8":
        step = torch.full_like(update, largest / LEVELS)
        levels = found / step
        assert float((levels - levels.round()).abs().max()) < 1e-3
    else:
        # eleven bits of precision, down to the smallest that float16 holds beside the largest
        step = (update.abs() * 2.0**-10).clamp(min=largest * 2.0**-38)
    assert bool(((found - update).abs() <= step * 1.001).all())


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_the_mean_over_users_stays_where_it_was(kind):
    update = torch.tensor([1.0, 0.12345, -0.00071, 0.5003, -0.9999])
    found = torch.stack([arriving(update, kind, user) for user in range(4000)]).double()
    step = 1 / LEVELS if kind == "int8" else 2.0**-10
    assert len(found[:, 1].unique()) == 2
    np.testing.assert_allclose(found.mean(dim=0), update, atol=4 * step / np.sqrt(4000))


def test_a_stream_belongs_to_user_round_and_array():
    update = torch.randn(200, generator=torch.Generator().manual_seed(3))
    one = arriving(update, "int8")
    assert torch.equal(one, arriving(update, "int8"))
    others = [
        rounded(update, "int8", 1, path=(1, "name"), seed=0),
        rounded(update, "int8", 0, path=(2, "name"), seed=0),
        rounded(update, "int8", 0, path=(1, "other"), seed=0),
        rounded(update, "int8", 0, path=(1, "name"), seed=1),
    ]
    assert not any(torch.equal(one, other) for other in others)


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
def test_zeros_stay_zeros_and_float32_stays_itself(kind):
    assert torch.equal(arriving(torch.zeros(3, 2), kind), torch.zeros(3, 2))
    update = torch.randn(4, 3)
    assert (arriving(update, kind) is update) == (kind == "float32")
