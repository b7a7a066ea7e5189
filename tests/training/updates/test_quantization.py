import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.randomness import generator
from fedrec.training.updates.quantization import LEVELS, quantize


def arriving(update, kind, user=0):
    array = update.clone()
    quantize(array, kind, generator(0, "upload", 1, user))
    return array


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


def test_the_stream_decides_and_goes_on_from_array_to_array():
    update = torch.randn(200, generator=torch.Generator().manual_seed(3))
    one = arriving(update, "int8")
    assert torch.equal(one, arriving(update, "int8"))
    assert not torch.equal(one, arriving(update, "int8", user=1))
    stream, first, second = generator(0, "upload", 1, 0), update.clone(), update.clone()
    quantize(first, "int8", stream)
    quantize(second, "int8", stream)
    assert torch.equal(first, one)
    assert not torch.equal(second, one)


def test_the_largest_never_leaves_the_levels():
    update = torch.full((100_000,), 127.0)  # some chances are next to 1
    assert bool((arriving(update, "int8") == 127).all())
    assert bool((arriving(-update, "int8") >= -127).all())


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
def test_zeros_stay_zeros_and_float32_stays_itself(kind):
    assert torch.equal(arriving(torch.zeros(3, 2), kind), torch.zeros(3, 2))
    update = torch.randn(4, 3)
    assert torch.equal(arriving(update, kind), update) == (kind == "float32")
