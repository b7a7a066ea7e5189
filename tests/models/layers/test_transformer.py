import math

import pytest
import torch

from fedrec.models.layers.blocks import PreNormBlock
from fedrec.models.layers.transformer import CausalTransformer

WIDTH = 8


def encoder(max_length: int = 10) -> CausalTransformer:
    made = CausalTransformer(WIDTH, num_blocks=2, num_heads=2, max_length=max_length, hidden=16)
    stream = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream) / 2)
    return made.eval()


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_changing_a_later_item_changes_no_earlier_state():
    model, x, lengths = encoder(), vectors(1, 6, WIDTH), torch.tensor([6])
    before = model(x, lengths)
    for changed in range(1, 6):
        y = x.clone()
        y[:, changed:] *= -10  # a constant would vanish in the norm
        torch.testing.assert_close(
            model(y, lengths)[:, :changed], before[:, :changed], rtol=0, atol=1e-6
        )
        assert not torch.allclose(model(y, lengths)[:, changed], before[:, changed])


def test_every_earlier_item_matters_to_the_last_state():
    model, x, lengths = encoder(), vectors(1, 6, WIDTH), torch.tensor([6])
    before = model(x, lengths)[:, -1]
    for changed in range(6):
        y = x.clone()
        y[:, changed] *= -1
        assert not torch.allclose(model(y, lengths)[:, -1], before)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_row_is_the_same_alone_and_padded_in_a_longer_batch(length):
    model, row = encoder(), vectors(1, length, WIDTH)
    alone = model(row, torch.tensor([length]))
    batch = vectors(3, 9, WIDTH, seed=1) * 100  # what stands in the padding must not matter
    batch[1, :length] = row
    together = model(batch, torch.tensor([9, length, 7]))[1:2, :length]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


def test_a_row_that_is_mostly_padding_gives_no_nan():
    states = encoder()(vectors(2, 10, WIDTH), torch.tensor([1, 10]))
    assert torch.isfinite(states).all()  # also behind the end of the short row


def test_attention_equals_the_slow_loop():
    block = PreNormBlock(WIDTH, num_heads=2, hidden=16, max_length=10)
    x = vectors(2, 5, WIDTH)
    query, key, value = block.query_key_value(x).split(WIDTH, dim=-1)
    expected = torch.zeros_like(x)
    size = WIDTH // 2
    for row in range(2):
        for head in range(2):
            part = slice(head * size, (head + 1) * size)
            for at in range(5):
                scores = torch.stack(
                    [
                        query[row, at, part] @ key[row, past, part] / math.sqrt(size)
                        for past in range(at + 1)
                    ]
                ).softmax(dim=0)
                expected[row, at, part] = sum(
                    scores[past] * value[row, past, part] for past in range(at + 1)
                )
    torch.testing.assert_close(block._attend(x), expected, rtol=1e-5, atol=1e-6)


def test_a_block_adds_attention_and_feed_forward_of_normed_input():
    block, x = PreNormBlock(WIDTH, num_heads=1, hidden=16, max_length=10), vectors(1, 3, WIDTH)
    after = x + block.attention_out(block._attend(block.attention_norm(x)))
    expected = after + block.feed_out(
        torch.nn.functional.gelu(block.feed_in(block.feed_norm(after)))
    )
    torch.testing.assert_close(block(x, None), expected)


def test_positions_are_counted_from_the_last_item():
    model = encoder()
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda block, given: seen.append(given[0]))
    model(torch.zeros(2, 4, WIDTH), torch.tensor([2, 4]))
    at = model.positions
    # Row 0 has two items: the last has position 0. Row 1 has four.
    torch.testing.assert_close(seen[0][0, :2], at[[1, 0]])
    torch.testing.assert_close(seen[0][1], at[[3, 2, 1, 0]])


def test_dropout_factors_act_at_five_places_of_two_blocks():
    model, x, lengths = encoder(), vectors(1, 3, WIDTH), torch.tensor([3])
    assert model.num_dropout_masks == 5
    plain = model(x, lengths)
    ones = torch.ones(5, 1, 3, WIDTH)
    torch.testing.assert_close(model(x, lengths, ones), plain, rtol=0, atol=0)
    for site in range(5):
        dropped = ones.clone()
        dropped[site, 0, 2, :4] = 0
        assert not torch.allclose(model(x, lengths, dropped), plain)
