import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fedrec.models.layers.logsumexp as module
from fedrec.models.layers.logsumexp import logsumexp_of_scores


def plain(states, candidates, own, refused, shift):
    scores = (states @ candidates.mT + shift).masked_fill(refused, -torch.inf)
    return torch.logaddexp(scores.logsumexp(dim=-1), (states * own).sum(dim=-1))


def drawn(seed, leading, count, candidates, width):
    stream = torch.Generator().manual_seed(seed)

    def normal(*shape):
        made = torch.randn(*leading, *shape, generator=stream, dtype=torch.float64)
        return made.requires_grad_()

    inputs = normal(count, width), normal(candidates, width), normal(count, width)
    refused = torch.rand(*leading, count, candidates, generator=stream) < 0.3
    weights = torch.rand(*leading, count, generator=stream, dtype=torch.float64)
    return inputs, refused, weights


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(), (3,), (2, 2)]),
    st.integers(1, 9),
    st.integers(1, 7),
    st.sampled_from(["foretold", "up to a factor", "wrongly", "not at all"]),
)
@settings(max_examples=60, deadline=None)
def test_value_and_gradients_are_those_of_plain_operations(seed, leading, count, candidates, told):
    inputs, refused, weights = drawn(seed, leading, count, candidates, 4)
    expected = plain(*inputs, refused, 0.7)
    slopes = torch.autograd.grad((expected * weights).sum(), inputs)
    said = {
        "foretold": weights,
        "up to a factor": 3.5 * weights,
        "wrongly": torch.flip(weights, (-1,)) + 0.1,
        "not at all": None,
    }[told]
    before, module.CHUNK = module.CHUNK, 4  # several chunks, the last one short
    try:
        found = logsumexp_of_scores(*inputs, refused, 0.7, said)
        got = torch.autograd.grad((found * weights).sum(), inputs)
    finally:
        module.CHUNK = before
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for one, other in zip(got, slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("told", [True, False])
def test_a_state_whose_candidates_are_all_refused_moves_nothing_but_its_own(told):
    (states, candidates, own), refused, weights = drawn(0, (), 3, 5, 4)
    refused[1] = True
    found = logsumexp_of_scores(states, candidates, own, refused, 0.0, weights if told else None)
    torch.testing.assert_close(found[1], (states[1] * own[1]).sum())
    moved = torch.autograd.grad((found * weights).sum(), [states, candidates, own])
    torch.testing.assert_close(moved[0][1], weights[1] * own[1])
    assert all(bool(gradient.isfinite().all()) for gradient in moved)
    # Without an own candidate there is nothing at all.
    found = logsumexp_of_scores(states, candidates, None, refused, 0.0, weights if told else None)
    assert float(found[1].detach()) == -torch.inf
    [moved] = torch.autograd.grad(found[[0, 2]].sum(), [candidates])
    assert bool(moved.isfinite().all())


def test_it_can_be_mapped_by_torch_func():
    (states, candidates, own), refused, _ = drawn(1, (3,), 4, 5, 4)

    def loss(states, candidates, own, refused):
        return logsumexp_of_scores(states, candidates, own, refused, 0.2).sum()

    mapped = torch.vmap(torch.func.grad(loss))(states, candidates, own, refused)
    [expected] = torch.autograd.grad(loss(states, candidates, own, refused), [states])
    torch.testing.assert_close(mapped, expected)
