"""Encoders other than the causal transformer: what they see, and what they must not."""

import math

import pytest
import torch
from torch import nn

from fedrec.models.layers.bidirectional import BidirectionalTransformer
from fedrec.models.layers.gru import GRULayer
from fedrec.models.layers.time_aware import GAPS, SPANS, RelativeBias, TimedTransformer, bucket
from fedrec.models.recommender import catalogue_of, score_next

NUM_ITEMS = 40
ALL = torch.arange(NUM_ITEMS + 1)
CLOZE = [
    {"name": "bert4rec"},
    {"encoder": "bidirectional"},
    {"encoder": "bidirectional", "views": "semantic"},
]
SESSIONS = [{"name": "narm"}, {"name": "stamp"}, {"name": "sr-gnn"}]
FORWARD = [{"name": "gru4rec"}, {"encoder": "gru"}, {"time": "hour,gap"}, *SESSIONS]


def shaken(model, seed=1):
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 3)
    return model.eval()


def states_of(model, items, lengths, times=None):
    more = () if times is None else (torch.tensor(times),)
    table = model.look_up(ALL)
    return model.encode(table, torch.tensor(items), torch.tensor(lengths), None, *more)[0]


def times_for(model, rows):
    """Irregular seconds, the same for the same places."""
    return [[7000 * k * k + 11 for k in range(len(row) + 2)] for row in rows]


def read(model, items, lengths):
    return states_of(model, items, lengths, times_for(model, items) if model.needs_times else None)


@pytest.mark.parametrize("hidden", [5, 8])
def test_the_recurrent_layer_is_that_of_torch(hidden):
    layer, other = shaken(GRULayer(5, hidden)), nn.GRU(5, hidden, batch_first=True)
    with torch.no_grad():
        other.weight_ih_l0.copy_(layer.from_input.weight)
        other.bias_ih_l0.copy_(layer.from_input.bias)
        other.weight_hh_l0.copy_(layer.from_state.weight)
        other.bias_hh_l0.copy_(layer.from_state.bias)
    x = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(layer(x), layer.out(other(x)[0]))
    assert isinstance(layer.out, nn.Identity) == (hidden == 5)


def test_the_recurrent_layer_by_hand():
    layer = GRULayer(1, 1)  # all weights 0 but those of the new state: n = tanh(x), z = 1 / 2
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.from_input.weight[2] = 1.0
    out = layer(torch.tensor([[[1.0], [0.0]]]))[0, :, 0]
    first = math.tanh(1) / 2  # half of the new state, half of the old one, which is 0
    torch.testing.assert_close(out, torch.tensor([first, first / 2]))


@pytest.mark.parametrize("settings", FORWARD, ids=str)
def test_changing_a_later_item_changes_no_earlier_state(make_tiny, settings):
    model = shaken(make_tiny(**settings))
    before = read(model, [[3, 9, 27, 5]], [4])
    after = read(model, [[3, 9, 11, 12]], [4])
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=0, atol=1e-6)
    assert not torch.allclose(after[:, 2], before[:, 2])


@pytest.mark.parametrize("settings", [*CLOZE, *FORWARD], ids=str)
def test_padding_changes_nothing(make_tiny, settings):
    model = shaken(make_tiny(**settings))
    alone = read(model, [[7, 0, 8]], [3])
    rows = [[1, 2, 3, 4, 5], [7, 0, 8, 0, 0], [7, 0, 8, 33, 34]]
    together = read(model, rows, [5, 3, 3])
    for row in (1, 2):
        torch.testing.assert_close(together[row, :3], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("settings", CLOZE, ids=str)
def test_the_state_of_a_hidden_item_depends_on_both_sides(make_tiny, settings):
    model = shaken(make_tiny(**settings))
    before = states_of(model, [[3, 9, 0, 5]], [4])[0, 2]
    for other in ([4, 9, 0, 5], [3, 9, 0, 6]):
        assert not torch.allclose(states_of(model, [other], [4])[0, 2], before)


@pytest.mark.parametrize("settings", CLOZE, ids=str)
def test_a_hidden_item_reaches_no_state(make_tiny, settings):
    model = shaken(make_tiny(**settings))
    before = states_of(model, [[3, 9, 0, 5]], [4])
    table = model.look_up(ALL)
    table.views[0] = 100.0  # what the table holds for item 0 is not what is read
    after = model.encode(table, torch.tensor([[3, 9, 0, 5]]), torch.tensor([4]))[0]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.parametrize("settings", CLOZE, ids=str)
def test_the_next_item_is_asked_for_behind_the_last(make_tiny, settings):
    model = shaken(make_tiny(**settings))
    catalogue = catalogue_of(model, NUM_ITEMS)
    scores, weights = score_next(
        model, catalogue, torch.tensor([[3, 9, 27], [5, 0, 0]]), torch.tensor([3, 1])
    )
    asked = states_of(model, [[3, 9, 27, 0], [5, 0, 0, 0]], [4, 2])
    states = torch.stack([asked[0, 3], asked[1, 1]])
    torch.testing.assert_close(scores, states @ catalogue.vectors.T, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 3))


def test_only_the_mask_and_the_seen_items_are_trained_by_a_hole(make_tiny):
    model = shaken(make_tiny(views="identity", encoder="bidirectional"))
    states_of(model, [[3, 0, 5]], [3])[0, 1].sum().backward()
    rows = model.views["identity"].rows.grad
    assert sorted(rows.abs().sum(dim=1).nonzero()[:, 0].tolist()) == [3, 5]
    assert (model.encoder.mask.grad != 0).any()


def test_without_blocks_a_hole_is_the_mask_at_its_place():
    encoder = shaken(BidirectionalTransformer(4, 0, 1, 5, 1))
    hidden = torch.tensor([[False, True, False]])
    out = encoder(torch.ones(1, 3, 4), torch.tensor([2]), None, hidden)
    expected = encoder.final_norm(encoder.mask + encoder.positions[0])
    torch.testing.assert_close(out[0, 1], expected)


# --- times --------------------------------------------------------------------------------------


def test_buckets_by_hand():
    found = bucket(torch.tensor([-3, 0, 1, 2, 3, 4, 7, 8, 2**40]), GAPS)
    assert found.tolist() == [0, 0, 1, 2, 2, 3, 3, 4, len(GAPS)]
    # 1, 1.35, 1.83, 2.47, 3.33, 4.50, 6.09, 8.22: whole seconds reach 1, 2, 3, 4, 5, 7, 9
    assert SPANS[:7] == (1, 2, 3, 4, 5, 7, 9)


def test_relative_bias_equals_a_loop():
    bias = shaken(RelativeBias(max_length=6))
    times = [50, 100, 100, 160, 4000, 9000]  # before, four items, and when it is asked
    own, after = torch.tensor([times[1:-1]]), torch.tensor([times[2:]])
    found = bias(bucket(after.unsqueeze(2) - own.unsqueeze(1), SPANS))
    assert found.shape == (1, 1, 4, 4)
    for asked in range(4):
        for item in range(4):
            if item > asked:
                assert found[0, 0, asked, item] == -math.inf
                continue
            span = times[asked + 2] - times[item + 1]
            reached = sum(bound <= span for bound in SPANS)
            expected = bias.of_span[reached] + bias.of_distance[asked - item]
            assert found[0, 0, asked, item] == expected


def test_a_timed_encoder_begins_as_the_causal_one(make_tiny):
    plain, timed = make_tiny(), make_tiny(time="hour,gap,relative")
    expected = states_of(plain, [[3, 9, 27]], [3])
    torch.testing.assert_close(read(timed, [[3, 9, 27]], [3]), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("clues", "times", "moved"),
    [
        # The event before the first item, three items, and the next event: one of them is moved
        # from [0, 10, 20, 30, 90]; the states that may notice follow.
        ("gap", [5, 10, 20, 30, 90], [0, 1, 2]),
        ("gap", [0, 10, 20, 30, 10**6], []),
        ("hour", [0, 10, 3620, 3630, 3690], [1, 2]),
        ("hour", [0, 10, 20, 30, 10**6], []),
        ("relative", [0, 10, 20, 30, 10**6], [2]),
        ("relative", [5, 10, 20, 30, 90], []),
        ("relative", [0, 10, 20, 10**4, 10**6], [1, 2]),
    ],
)
def test_what_a_timed_encoder_knows_and_when(make_tiny, clues, times, moved):
    model = shaken(make_tiny(time=clues))
    before = states_of(model, [[3, 9, 27]], [3], [[0, 10, 20, 30, 90]])
    after = states_of(model, [[3, 9, 27]], [3], [times])
    changed = [place for place in range(3) if not torch.equal(before[0, place], after[0, place])]
    assert changed == moved


def test_dropout_sites_of_each_encoder(make_tiny):
    sites = {"gru4rec": 3, "bert4rec": 5, "sasrec": 5, "narm": 3, "stamp": 1, "sr-gnn": 1}
    assert {name: make_tiny(name=name).num_dropout_masks for name in sites} == sites
    model = shaken(make_tiny(name="gru4rec"))
    items, lengths = torch.tensor([[3, 9]]), torch.tensor([2])
    plain = model.encode(model.look_up(ALL), items, lengths)[0]
    for site in range(3):
        dropout_masks = torch.ones(3, 1, 2, 8)
        dropout_masks[site, 0, 1, :4] = 0
        assert not torch.allclose(
            model.encode(model.look_up(ALL), items, lengths, dropout_masks)[0], plain
        )


@pytest.mark.parametrize("name", ["sasrec", "bert4rec", "gru4rec", "narm", "stamp", "sr-gnn"])
def test_reference_models_start_from_random_rows_whatever_the_key_says(make_tiny, name):
    text, random = (make_tiny(name=name, identity_start=start) for start in ("text", "random"))
    assert torch.equal(text.rows, random.rows)
    assert text.rows.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("encoder", ["bidirectional", "gru"])
def test_weights_follow_from_the_seed_alone(make_tiny, encoder):
    one = make_tiny(encoder=encoder)
    torch.manual_seed(99)
    other = make_tiny(encoder=encoder)
    for (name, mine), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs), name


def test_only_a_model_of_times_needs_them(make_tiny):
    timed = make_tiny(time="gap")
    assert isinstance(timed.encoder, TimedTransformer)
    assert (timed.needs_times, make_tiny().needs_times) == (True, False)
