"""Log-sum-exp by the kernel, beside the same by torch in float64."""

import pytest
import torch

from fedrec.models.layers.logsumexp import logsumexp_of_scores
from fedrec.native.logsumexp import is_possible


def arrays(states, candidates, width=32, leading=()):
    stream = torch.Generator().manual_seed(0)
    return [
        0.4 * torch.randn(*leading, count, width, generator=stream)
        for count in (states, candidates, states)
    ]


def found_and_gradients(parts, weights, *, own, dtype=torch.float32, foretold=True, **options):
    """Values, and gradients of their weighted sum by states, candidates and own candidates."""
    leaves = [one.to(dtype).requires_grad_() for one in parts]
    states, candidates, single = leaves
    found = logsumexp_of_scores(
        states,
        candidates,
        single if own else None,
        weights=weights.to(dtype) if foretold else None,
        uses_kernel=dtype == torch.float32,
        **options,
    )
    used = leaves if own else leaves[:2]
    loss = (found.nan_to_num(neginf=0.0) * weights.to(dtype)).sum()
    return [found.detach(), *torch.autograd.grad(loss, used)]


def close(found, expected, tolerance=3e-6):
    return all(
        torch.equal(one.isfinite(), other.isfinite())
        and float((one - other).nan_to_num().abs().max()) <= tolerance
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("foretold", [True, False])
@pytest.mark.parametrize("candidates", [1, 15, 64, 65, 300])
@pytest.mark.parametrize("own", [True, False])
def test_values_and_gradients_are_those_of_torch_in_float64(candidates, own, foretold):
    parts = arrays(50, candidates)
    weights = torch.rand(50, generator=torch.Generator().manual_seed(1)) / 50
    facts = {"own": own, "foretold": foretold, "shift": 1.5}
    expected = found_and_gradients(parts, weights, dtype=torch.float64, **facts)
    found = found_and_gradients(parts, weights, **facts)
    assert close(found, expected)
    assert not close([one * 1.0001 for one in found], expected)


@pytest.mark.parametrize("rows", ["each", "shared"])
def test_a_refused_candidate_weighs_nothing(rows):
    parts = arrays(40, 100)
    stream = torch.Generator().manual_seed(1)
    weights = torch.rand(40, generator=stream)
    refused = torch.rand(40 if rows == "each" else 3, 100, generator=stream) < 0.3
    refused[0] = True  # all of them: the own candidate alone is left
    owners = None if rows == "each" else torch.arange(40) % 3
    options = {"own": True, "refused": refused, "refused_rows": owners}
    expected = found_and_gradients(parts, weights, dtype=torch.float64, **options)
    assert close(found_and_gradients(parts, weights, **options), expected, 2e-5)


def test_without_any_candidate_there_is_minus_infinity_and_no_gradient():
    parts = arrays(3, 20)
    refused = torch.zeros(3, 20, dtype=torch.bool)
    refused[1] = True
    found, to_states, to_candidates = found_and_gradients(
        parts, torch.ones(3), own=False, refused=refused
    )
    assert found[1] == -torch.inf
    assert not to_states[1].any()
    assert to_candidates.isfinite().all()


def test_leading_axes_are_as_many_calls():
    parts = arrays(20, 30, leading=(3,))
    weights = torch.rand(3, 20, generator=torch.Generator().manual_seed(1))
    together = found_and_gradients(parts, weights, own=True)
    for place in range(3):
        alone = found_and_gradients([one[place] for one in parts], weights[place], own=True)
        assert close([one[place] for one in together], alone, 1e-6)


def test_large_scores_do_not_overflow():
    states, candidates, own = arrays(5, 70)
    parts = [100 * states, candidates, own]
    weights = torch.full((5,), 0.2)
    expected = found_and_gradients(parts, weights, own=True, dtype=torch.float64)
    found = found_and_gradients(parts, weights, own=True)
    assert close([found[0] / 1000], [expected[0] / 1000], 1e-6)
    assert all(one.isfinite().all() for one in found)


def test_bytes_do_not_hang_on_the_number_of_threads():
    parts = arrays(5000, 40)  # of more states than one thread does at a time
    weights = torch.full((5000,), 1 / 5000)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(found_and_gradients(parts, weights, own=True))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_other_widths_and_types_are_left_to_torch():
    assert is_possible(torch.zeros(2, 32))
    assert not is_possible(torch.zeros(2, 24))
    assert not is_possible(torch.zeros(2, 32, dtype=torch.float64))
