import math

import numpy as np
import torch

from fedrec.models.hybrid import Hybrid
from fedrec.models.layers.gate import ContextGate, gate_features
from fedrec.models.layers.transformer import CausalTransformer
from fedrec.models.layers.views import IdentityView
from fedrec.models.recommender import ItemTable, catalogue_of, score_next

NUM_ITEMS = 40
ALL = torch.arange(NUM_ITEMS + 1)


def shaken(model, seed=1):
    """The model with other weights than it starts with: equal gates would hide mistakes."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 3)
    return model.eval()


def states_of(model, items, lengths):
    return model.encode(model.look_up(ALL), items, lengths)[0]


def test_changing_a_later_item_changes_no_earlier_state(make_tiny):
    model, items, lengths = shaken(make_tiny()), torch.tensor([[3, 9, 27, 5]]), torch.tensor([4])
    before = states_of(model, items, lengths)
    for changed in range(1, 4):
        other = items.clone()
        other[0, changed:] = torch.tensor([11, 12, 13, 14])[changed:]
        after = states_of(model, other, lengths)
        torch.testing.assert_close(after[:, :changed], before[:, :changed], rtol=0, atol=1e-6)
        assert not torch.allclose(after[:, changed], before[:, changed])


def test_padding_changes_nothing(make_tiny):
    model = shaken(make_tiny())
    alone = states_of(model, torch.tensor([[7, 8]]), torch.tensor([2]))
    batch = torch.tensor([[1, 2, 3, 4, 5], [7, 8, 0, 0, 0], [7, 8, 33, 34, 35]])
    together = states_of(model, batch, torch.tensor([5, 2, 2]))
    torch.testing.assert_close(together[1:2, :2], alone, rtol=0, atol=1e-6)
    torch.testing.assert_close(together[2:3, :2], alone, rtol=0, atol=1e-6)


def test_the_gate_of_an_item_sees_only_what_precedes_it(make_tiny):
    model = shaken(make_tiny())
    table = model.look_up(ALL)
    weights = model.encode(table, torch.tensor([[3, 9, 27]]), torch.tensor([3]))[1]
    later = model.encode(table, torch.tensor([[3, 9, 30]]), torch.tensor([3]))[1]
    torch.testing.assert_close(weights[:, :2], later[:, :2], rtol=0, atol=1e-6)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 3))


def test_gate_weights_start_equal(make_tiny):
    model = make_tiny()
    weights = model.encode(model.look_up(ALL), torch.tensor([[3, 9, 27]]), torch.tensor([3]))[1]
    torch.testing.assert_close(weights, torch.full((1, 3, 3), 1 / 3))


def test_views_start_at_the_same_root_mean_square_norm(make_tiny):
    views = make_tiny(identity_start="random").look_up(ALL[1:]).views  # (40, 3, 8)
    norms = views.square().sum(dim=-1).mean(dim=0).sqrt()
    expected = 0.02 * math.sqrt(8)
    torch.testing.assert_close(norms[1:], torch.full((2,), expected))  # the adapted ones exactly
    assert abs(norms[0] / expected - 1) < 0.15  # 320 random numbers


def test_an_unknown_item_loses_its_identity_and_its_frequency_and_nothing_else(make_tiny):
    model = shaken(make_tiny())
    assert model.view_names == ("identity", "semantic", "content")
    items, unknown = torch.tensor([4, 5, 6]), torch.tensor([False, True, False])
    known, table = model.look_up(items), model.look_up(items, unknown)
    assert (table.views[1, 0] == 0).all()
    assert table.frequency.tolist() == [4, 0, 6]
    torch.testing.assert_close(table.views[:, 1:], known.views[:, 1:], rtol=0, atol=0)
    torch.testing.assert_close(table.views[[0, 2]], known.views[[0, 2]], rtol=0, atol=0)


def test_the_identity_row_of_an_unknown_item_gets_no_gradient(make_tiny):
    model = shaken(make_tiny())
    table = model.look_up(torch.tensor([4, 5]), torch.tensor([True, False]))
    model.output_vectors(table).square().sum().backward()
    gradient = model.views["identity"].rows.grad
    assert (gradient[4] == 0).all()
    assert (gradient[5] != 0).any()


def test_a_never_seen_item_tells_the_gate_so(make_tiny):
    model = make_tiny(frequency=np.array([0, 0, *range(2, NUM_ITEMS + 1)]))
    with torch.no_grad():
        model.gate.from_facts.weight[0, 1] = -50.0  # never seen: no identity
    table = model.look_up(ALL)
    facts = gate_features(table.frequency, torch.zeros(NUM_ITEMS + 1))
    weights = model.gate.weights(None, facts)
    assert weights[1, 0] < 1e-20
    torch.testing.assert_close(weights[2], torch.full((3,), 1 / 3))


def test_scores_by_hand_for_two_items():
    # One view, one position, no blocks: the state is the layer norm of the item's vector.
    encoder = CausalTransformer(width=2, num_blocks=0, num_heads=1, max_length=3, hidden=1)
    rows = torch.tensor([[0.0, 0.0], [3.0, 1.0], [1.0, 2.0]])
    views = {"identity": IdentityView(rows)}
    model = Hybrid(views, ContextGate(1, 2), encoder, width=2, frequency=torch.ones(3)).eval()
    scores, weights = score_next(
        model, catalogue_of(model, 2), torch.tensor([[1]]), torch.tensor([1])
    )
    # sqrt(2) * (3, 1) has mean 2 sqrt(2) and deviations +- sqrt(2): its norm is (1, -1).
    # (1, -1) . (3, 1) = 2, (1, -1) . (1, 2) = -1, padding 0.
    torch.testing.assert_close(scores, torch.tensor([[0.0, 2.0, -1.0]]), rtol=0, atol=1e-5)
    assert weights.tolist() == [[[1.0]]]


def test_padding_changes_neither_scores_nor_gate_weights(make_tiny):
    model = shaken(make_tiny())
    catalogue = catalogue_of(model, NUM_ITEMS)
    alone = score_next(model, catalogue, torch.tensor([[3, 9]]), torch.tensor([2]))
    padded = score_next(model, catalogue, torch.tensor([[3, 9, 0, 0]]), torch.tensor([2]))
    torch.testing.assert_close(padded[1][:, :2], alone[1], rtol=0, atol=1e-6)
    torch.testing.assert_close(padded[0], alone[0], rtol=0, atol=1e-5)


def test_hybrid_of_identity_alone_equals_sasrec_with_the_same_weights(make_tiny):
    sasrec = shaken(make_tiny(name="sasrec"))
    hybrid = shaken(make_tiny(views="identity"), seed=2)
    weights = dict(sasrec.named_parameters())
    with torch.no_grad():
        for name, parameter in hybrid.named_parameters():
            if not name.startswith("gate."):  # a softmax over one view is 1 whatever it says
                parameter.copy_(weights[name.removeprefix("views.identity.")])
    items, lengths = torch.tensor([[3, 9, 27], [5, 6, 0]]), torch.tensor([3, 2])
    one = score_next(sasrec, catalogue_of(sasrec, NUM_ITEMS), items, lengths)[0]
    other = score_next(hybrid, catalogue_of(hybrid, NUM_ITEMS), items, lengths)[0]
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_fewer_rows_in_the_table_give_the_same_states(make_tiny):
    model = shaken(make_tiny())
    few = model.look_up(torch.tensor([0, 3, 9]))
    assert isinstance(few, ItemTable)
    by_few = model.encode(few, torch.tensor([[1, 2]]), torch.tensor([2]))[0]
    by_all = states_of(model, torch.tensor([[3, 9]]), torch.tensor([2]))
    torch.testing.assert_close(by_few, by_all, rtol=0, atol=1e-6)
