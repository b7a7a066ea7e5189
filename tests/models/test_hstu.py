"""HSTU against its formulas, position by position, and what it knows of times."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fedrec.errors import ConfigError
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.models.layers.time_aware import SPANS
from fedrec.models.transformers.hstu import PointwiseTransformer

D, L, N = 6, 5, 8


def shaken(module):
    stream = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 2)
    return module


def silu(number):
    return number / (1 + np.exp(-number))


def normed(vector):
    return (vector - vector.mean()) / np.sqrt(vector.var() + 1e-6)


def of_block(block, x, times, heads):
    """Y of one sequence (L, D), float64."""
    inner, outer = (layer.weight.detach().double().numpy() for layer in (block.inner, block.outer))
    distance, span = (
        None if bias is None else bias.detach().double().numpy()
        for bias in (block.of_distance, block.of_span)
    )
    size = D // heads
    u, v, q, k = np.split(silu(np.stack([normed(row) for row in x]) @ inner.T), 4, axis=1)
    found = np.zeros_like(x)
    for t in range(len(x)):
        attended = np.zeros(D)
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            for j in range(t + 1):
                score = q[t, own] @ k[j, own] + distance[t - j]
                if span is not None:
                    seconds = times[t + 2] - times[j + 1]  # behind t, and of item j
                    score += span[sum(bound <= seconds for bound in SPANS)]
                attended[own] += silu(score) / N * v[j, own]
        bias = block.outer.bias.detach().double().numpy()
        found[t] = x[t] + (normed(attended) * u[t]) @ outer.T + bias
    return found


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("reads_times", [False, True])
@torch.no_grad()
def test_states_are_those_of_the_papers_formulas(heads, reads_times):
    encoder = shaken(PointwiseTransformer(D, 2, heads, N, reads_times=reads_times)).double()
    x = torch.randn(2, L, D, generator=torch.Generator().manual_seed(9)).double()
    times = np.array([[0, 5, 9, 400, 90_000, 90_001, 10**7], [3, 3, 3, 3, 3, 3, 3]])
    more = (torch.from_numpy(times),) if reads_times else ()
    states = encoder(x, torch.tensor([L, L]), None, *more)
    for row in range(2):
        expected = x[row].numpy() + encoder.positions[:L].numpy()
        for block in encoder.blocks:
            expected = of_block(block, expected, times[row], heads)
        np.testing.assert_allclose(states[row].numpy(), expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_scores_are_cosines_over_the_temperature(make_tiny):
    model = shaken(make_tiny(name="hstu"))
    history = np.array([3, 9, 40])
    scores = model_scorer(model, 40, 10)([history]).scores[0]
    inputs = model.rows[torch.from_numpy(history)] * np.sqrt(8)
    state = model.encoder(inputs[None], torch.tensor([3]), None)[0, -1]
    expected = functional.cosine_similarity(state[None], model.rows[1:]) / 0.05
    np.testing.assert_allclose(scores[1:], expected, rtol=1e-4, atol=1e-4)


def test_with_relative_time_it_knows_when_it_is_asked(make_tiny):
    model = shaken(make_tiny(name="hstu", time="relative"))
    assert model.needs_times
    assert not make_tiny(name="hstu").needs_times
    score = model_scorer(model, 40, 10)
    asked = [np.array([100, 200, 300, then]) for then in (301, 10**8)]
    soon, late = (score([np.array([3, 9, 40])], None, [times]).scores[0] for times in asked)
    assert not np.allclose(soon[1:], late[1:], atol=1e-3)


def test_its_protocol_says_so_and_other_clues_are_refused(small_config):
    timed = small_config({"model.name": "hstu", "model.time": "relative"})
    assert timed.protocol_names[0] == "full+query-time"
    assert small_config({"model.name": "hstu"}).protocol_names[0] == "full"
    with pytest.raises(
        ConfigError, match=r"model\.time must be '' or 'relative' for a model 'hstu'"
    ):
        small_config({"model.name": "hstu", "model.time": "hour"})
