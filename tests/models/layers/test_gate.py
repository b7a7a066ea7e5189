import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrec.models.layers.gate import ContextGate, gate_features, running_mean, weighted_sum


def random_gate(seed: int, num_views: int, width: int) -> ContextGate:
    gate = ContextGate(num_views, width)
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream) * 3)
    return gate


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_weights_are_positive_and_sum_to_one(seed, num_views):
    gate = random_gate(seed, num_views, width=5)
    context = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(seed)) * 10
    weights = gate.weights(context, gate_features(torch.ones(2, 3), torch.arange(3.0).expand(2, 3)))
    assert weights.shape == (2, 3, num_views)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 3))


def test_every_view_starts_with_the_same_say_whatever_the_context():
    weights = ContextGate(3, 5).weights(torch.randn(2, 4, 5) * 100, torch.randn(2, 4, 3) * 100)
    torch.testing.assert_close(weights, torch.full((2, 4, 3), 1 / 3))


def test_no_context_is_a_zero_context():
    gate, facts = random_gate(1, 3, 5), torch.randn(4, 3)
    alone, beginning = gate.weights(None, facts), gate.weights(torch.zeros(4, 5), facts)
    torch.testing.assert_close(alone, beginning, rtol=0, atol=0)


def test_gate_features_by_hand():
    facts = gate_features(torch.tensor([0.0, 9.0]), torch.tensor([3.0, 0.0]))
    # log1p(0)/5, never seen, log1p(3)/5 | log1p(9)/5, seen, log1p(0)/5
    expected = torch.tensor([[0.0, 1.0, 0.277259], [0.460517, 0.0, 0.0]])
    torch.testing.assert_close(facts, expected, rtol=0, atol=1e-6)


def test_running_mean_by_hand():
    x = torch.tensor([[[2.0], [4.0], [9.0], [1.0]]])
    # before 1st: nothing; before 2nd: 2; before 3rd: (2+4)/2; before 4th: (2+4+9)/3
    torch.testing.assert_close(running_mean(x), torch.tensor([[[0.0], [2.0], [3.0], [5.0]]]))


def test_weighted_sum_by_hand():
    views = torch.tensor([[[1.0, 2.0], [5.0, 6.0]]])  # one item, two views of width 2
    mixed = weighted_sum(views, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(mixed, torch.tensor([[4.0, 5.0]]))
