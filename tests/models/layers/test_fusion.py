"""Every way to make one vector of an item's views: by hand, and what all have in common."""

import math

import pytest
import torch

from fedrec.config.values.choices import FUSIONS
from fedrec.models.layers.fusion import (
    ConcatFusion,
    FixedFusion,
    ItemGate,
    SumFusion,
    ViewAttention,
    make_fusion,
)
from tests.models.test_hybrid import ALL, shaken, states_of

VIEWS = torch.tensor([[[1.0, 2.0], [5.0, 6.0]]])  # one item, two views of width 2
FEATURES = torch.tensor([[0.0, 1.0, 0.4]])  # never seen, after some items
WITHOUT_SEQUENCE = ("fixed", "sum", "concat", "item")


def stream():
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize("name", FUSIONS)
def test_all_views_start_with_the_same_say_whatever_is_known(name):
    views = torch.randn(4, 3, 8, generator=stream())
    views = views / views.norm(dim=-1, keepdim=True)  # as the views start: of one norm
    gate = make_fusion(name, 3, 8, stream())
    for context in (None, 100 * torch.randn(4, 8, generator=stream())):
        mixed, shares = gate(views, context, 100 * torch.randn(4, 3, generator=stream()))
        torch.testing.assert_close(shares, torch.full((4, 3), 1 / 3))
        expected = views.sum(dim=1) if name == "sum" else views.mean(dim=1)
        torch.testing.assert_close(mixed, expected)


@pytest.mark.parametrize("name", FUSIONS)
def test_shares_are_positive_and_sum_to_one_after_any_training(make_tiny, name):
    model = shaken(make_tiny(fusion=name))
    shares = model.encode(model.look_up(ALL), torch.tensor([[3, 9, 27]]), torch.tensor([3]))[1]
    assert shares.shape == (1, 3, 3)
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(-1), torch.ones(1, 3))


def test_fixed_and_sum_by_hand():
    # (1 + 5) / 2, (2 + 6) / 2; 1 + 5, 2 + 6
    assert FixedFusion()(VIEWS, None, FEATURES)[0].tolist() == [[3.0, 4.0]]
    assert SumFusion()(VIEWS, None, FEATURES)[0].tolist() == [[6.0, 8.0]]


def test_concatenation_is_one_projection_of_the_views_side_by_side():
    mix = ConcatFusion(2, 2)
    blocks = [torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 2.0], [3.0, 1.0]])]
    with torch.no_grad():
        for layer, block in zip(mix.blocks, blocks, strict=True):
            layer.weight.copy_(block)
    mixed, shares = mix(VIEWS, None, FEATURES)
    torch.testing.assert_close(mixed, VIEWS.flatten(1) @ torch.cat(blocks, dim=1).T)
    # Parts (1, 0) and (2 * 6, 3 * 5 + 6) = (12, 21), of norms 1 and sqrt(585).
    part = math.sqrt(585)
    torch.testing.assert_close(shares, torch.tensor([[1 / (1 + part), part / (1 + part)]]))


def test_the_shares_of_a_concatenation_carry_no_gradient_and_survive_views_of_zero():
    mix = ConcatFusion(2, 2)
    mixed, shares = mix(torch.zeros(1, 2, 2), None, FEATURES)
    assert shares.tolist() == [[0.5, 0.5]]
    assert not shares.requires_grad
    mixed.sum().backward()
    assert all(block.weight.grad.isfinite().all() for block in mix.blocks)


def test_the_item_gate_by_hand():
    gate = ItemGate(2, 2)
    with torch.no_grad():
        gate.from_facts.weight[0, 1] = -math.log(3)  # never seen
        gate.from_views.weight[1, 3] = 1 / math.sqrt(2)  # last number of the second view: 6
    mixed, weights = gate(VIEWS, None, FEATURES)
    # Scores -log 3 and 6, the views scaled by sqrt(2).
    first = 1 / (1 + 3 * math.exp(6))
    torch.testing.assert_close(weights, torch.tensor([[first, 1 - first]]))
    torch.testing.assert_close(mixed, VIEWS[:, 0] * first + VIEWS[:, 1] * (1 - first))


def test_attention_by_hand():
    gate = ViewAttention(2, stream())
    with torch.no_grad():
        gate.key.weight.copy_(torch.eye(2))
        gate.from_context.weight.copy_(torch.tensor([[0.5, 0.0], [0.0, 0.0]]))
        gate.from_facts.weight[1, 1] = -0.25
    weights = gate(VIEWS, torch.tensor([[0.2, 9.0]]), FEATURES)[1]
    # Query (0.1, -0.25); keys sqrt(2) times the views, and the products over sqrt(2):
    # 0.1 - 0.5 = -0.4 and 0.5 - 1.5 = -1.
    torch.testing.assert_close(weights, torch.tensor([[-0.4, -1.0]]).softmax(-1))
    alone = gate(VIEWS, None, FEATURES)[1]
    torch.testing.assert_close(alone, torch.tensor([[-0.5, -1.5]]).softmax(-1))


@pytest.mark.parametrize("name", FUSIONS)
def test_an_items_weights_depend_on_what_precedes_it_where_the_mix_reads_that(make_tiny, name):
    model = shaken(make_tiny(fusion=name))
    table, lengths = model.look_up(ALL), torch.tensor([3])
    weights = model.encode(table, torch.tensor([[3, 9, 27]]), lengths)[1]
    later = model.encode(table, torch.tensor([[3, 9, 30]]), lengths)[1]
    earlier = model.encode(table, torch.tensor([[4, 9, 27]]), lengths)[1]
    torch.testing.assert_close(weights[:, :2], later[:, :2], rtol=0, atol=1e-6)
    assert torch.allclose(weights[:, 2], earlier[:, 2]) == (name in WITHOUT_SEQUENCE)


@pytest.mark.parametrize("name", FUSIONS)
def test_every_trained_array_of_a_mix_gets_a_gradient(make_tiny, name):
    model = shaken(make_tiny(fusion=name))
    states_of(model, torch.tensor([[3, 9, 27]]), torch.tensor([3])).square().sum().backward()
    for label, parameter in model.gate.named_parameters():
        assert (parameter.grad != 0).any(), label


@pytest.mark.parametrize("name", FUSIONS)
def test_the_global_generator_moves_no_weight_of_a_mix(make_tiny, name):
    torch.manual_seed(1)
    one = make_tiny(fusion=name).state_dict()
    torch.manual_seed(2)
    other = make_tiny(fusion=name).state_dict()
    assert all(torch.equal(one[label], other[label]) for label in one)


@pytest.mark.parametrize("name", FUSIONS)
def test_a_mix_changes_no_other_weight_that_the_models_begin_with(make_tiny, name):
    context, other = make_tiny().state_dict(), make_tiny(fusion=name).state_dict()
    others = [label for label in context if not label.startswith("gate.")]
    assert len(others) > 20
    assert all(torch.equal(context[label], other[label]) for label in others)
