"""DUALRec's first stage: what an item's vector is made of, its sizes, its cell."""

import numpy as np
import pytest
import torch

from fedrec.config.sections.model import Model
from fedrec.errors import ConfigError
from fedrec.factory.build_model import build_model
from fedrec.models.layers.lstm import LSTMLayer, StackedLSTM
from fedrec.models.parameters import groups_of
from fedrec.models.parts import ItemFeatures


def built(num_items: int = 4, words: int = 5, **settings):
    numbers = torch.zeros(num_items + 1, 3, dtype=torch.long)
    numbers[1, :2], numbers[2, 0], numbers[3, :2] = torch.tensor([1, 2]), 2, torch.tensor([2, 1])
    genres = torch.zeros(num_items + 1, 18)
    genres[1, 0] = genres[2, 1] = 1
    return build_model(
        Model(**({"name": "dualrec-lstm", "width": 4, "hidden": 6} | settings)),
        num_items=num_items,
        semantic=None,
        content=np.zeros((num_items + 1, 1), np.float32),
        frequency=np.zeros(num_items + 1),
        seed=0,
        features=lambda: ItemFeatures(numbers, words, genres),
    )


def test_an_item_is_its_identity_the_mean_of_its_words_and_its_genres():
    model = built()
    found = model.look_up(torch.arange(5)).views[:, 0]
    rows, words = model.rows * 2, model.word_rows * 2  # the square root of width 4
    torch.testing.assert_close(found[:, :4], rows)
    torch.testing.assert_close(found[1, 4:6], (words[1] + words[2]) / 2)
    torch.testing.assert_close(found[2, 4:6], words[2])
    torch.testing.assert_close(found[3, 4:6], found[1, 4:6])  # in any order
    torch.testing.assert_close(found[4, 4:6], torch.zeros(2))  # no title
    expected = torch.relu(model.from_genres.weight[:, 0] + model.from_genres.bias)
    torch.testing.assert_close(found[1, 6:8], expected)
    torch.testing.assert_close(found[:, 8:], model.output_rows)


def test_a_score_is_the_output_row_of_an_item_and_its_bias():
    model = built()
    with torch.no_grad():
        model.output_rows[3, -1] = 5
    table = model.look_up(torch.arange(5))
    states, weights = model.encode(table, torch.tensor([[1, 2]]), torch.tensor([2]))
    assert states.shape == (1, 2, 7)
    assert weights.eq(1).all()
    scores = states[0, -1] @ model.output_vectors(table).T
    expected = states[0, -1, :6] @ model.output_rows[3, :6] + 5
    torch.testing.assert_close(scores[3], expected)


def test_a_cell_by_hand():
    layer = LSTMLayer(1, 1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.from_input.weight[:] = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    found = layer(torch.tensor([[[1.0], [0.0]]]))[0, :, 0]
    # Gates in the order input, forget, output, new; the forget gate has 1 more.
    cell = 1 / (1 + np.exp(-1)) * np.tanh(4)
    first = 1 / (1 + np.exp(-3)) * np.tanh(cell)
    kept = 1 / (1 + np.exp(-1)) * cell  # the second input is 0: nothing new
    np.testing.assert_allclose(found.detach(), [first, 0.5 * np.tanh(kept)], rtol=1e-6)


def test_the_cell_is_that_of_torch():
    layer, theirs = LSTMLayer(3, 4), torch.nn.LSTM(3, 4, batch_first=True)
    order = [0, 1, 3, 2]  # torch has input, forget, new, output

    def sorted_gates(array):
        return torch.cat([array.chunk(4)[gate] for gate in order])

    with torch.no_grad():
        theirs.weight_ih_l0.copy_(sorted_gates(layer.from_input.weight))
        theirs.weight_hh_l0.copy_(sorted_gates(layer.from_state.weight))
        theirs.bias_ih_l0.copy_(sorted_gates(layer.from_input.bias))
        theirs.bias_hh_l0.copy_(sorted_gates(layer.from_state.bias))
        theirs.bias_ih_l0[4:8] += 1
    x = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(x), theirs(x)[0])


def test_each_layer_has_dropout_behind_it():
    encoder = StackedLSTM(4, 6)
    x, masks = torch.ones(1, 2, 4), torch.ones(3, 1, 2, 9)
    plain = encoder(x, torch.tensor([2]))
    torch.testing.assert_close(encoder(x, torch.tensor([2]), masks), plain)
    for number in range(3):
        dropped = masks.clone()
        dropped[number] = 0
        found = encoder(x, torch.tensor([2]), dropped)
        assert (number < 2) == bool(found.any())  # a bias is left behind the first two
        assert not torch.equal(found, plain)
    assert encoder.second.hidden == 3


def test_a_message_with_a_thousand_items_has_less_than_six_megabytes():
    model = built(1000, words=5000, width=128, hidden=256, max_length=30)
    groups = groups_of(model)
    sizes = {name: array.numel() * 4 for name, array in model.named_parameters()}
    assert sum(sizes[name] for name in groups.shared) <= 6_000_000
    assert set(groups.frozen) == {"words", "genres"}  # what is known of items does not travel
    assert model.encoder.first.from_input.in_features == 128 + 64 + 64
    assert (model.encoder.first.hidden, model.encoder.second.hidden) == (256, 128)
    assert model.encoder.dense.out_features == 256


def test_it_has_two_layers():
    with pytest.raises(
        ConfigError, match=r"model.blocks must be 2 for model.name = 'dualrec-lstm'"
    ):
        Model(name="dualrec-lstm", blocks=3)


def test_a_run_trains_words_and_leaves_titles_where_they_are(
    small_home, small_config, run_inline, tmp_path
):
    from safetensors.numpy import load_file

    config = small_config({"model.name": "dualrec-lstm", "loss.name": "softmax"})
    run_inline(config, tmp_path / "run")
    found = load_file(tmp_path / "run" / "model.safetensors")
    assert {"word_rows", "output_rows", "rows"} <= set(found)
    assert not {"words", "genres"} & set(found)
    assert len(found["word_rows"]) > 10  # the vocabulary of the catalogue, and no word
