"""Blocks of transformers against loops and formulas written apart."""

import math

import pytest
import torch
from torch.nn import functional

from fedrec.models.layers.attention import attend
from fedrec.models.layers.blocks import BLOCKS, LiGRBlock, SASRecBlock
from fedrec.models.layers.transformer import CausalTransformer

WIDTH, HEADS, HIDDEN, LONGEST = 8, 2, 20, 10


def stream():
    return torch.Generator().manual_seed(4)


def made(kind):
    block = kind(WIDTH, HEADS, HIDDEN, LONGEST).double()
    generator = stream()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    return block


def vectors(*shape):
    return torch.randn(*shape, generator=stream()).double()


def masks_of(block, *shape):
    drawn = torch.rand(block.num_dropout_masks, *shape, WIDTH, generator=stream())
    return (drawn > 0.3).double() / 0.7


def attention_by_hand(queries, keys, values, factors):
    """Of one row (L, D): each head and each position apart."""
    size, out = WIDTH // HEADS, torch.zeros_like(queries)
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        for at in range(len(queries)):
            scores = keys[: at + 1, part] @ queries[at, part] / math.sqrt(size)
            weights = scores.softmax(dim=0) * factors[at][head][: at + 1]
            out[at, part] = weights @ values[: at + 1, part]
    return out


@pytest.mark.parametrize("dropped", [False, True])
def test_sasrecs_block_as_its_code_computes_it(dropped):
    block, x = made(SASRecBlock), vectors(2, 5, WIDTH)
    # 2 heads of 10 keys take 20 of 24 numbers, as do 20 hidden ones; then one mask behind.
    assert block.num_dropout_masks == 3 + 3 + 1
    masks = masks_of(block, 2, 5) if dropped else torch.ones(7, 2, 5, WIDTH).double()
    for row in range(2):
        packed = torch.cat(list(masks[:3, row]), dim=-1)
        factors = [[packed[at, :10], packed[at, 10:20]] for at in range(5)]
        q = block.attention_norm(x[row])
        key, value = block.key_value(x[row]).split(WIDTH, dim=-1)
        attended = attention_by_hand(block.query(q), key, value, factors)
        y = block.feed_norm(q + block.attention_out(attended))
        inside = torch.cat(list(masks[3:6, row]), dim=-1)[:, :HIDDEN]
        expected = y + block.feed_out(functional.relu(block.feed_in(y) * inside)) * masks[6, row]
        got = block(x, masks if dropped else None)[row]
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_ligrs_block_by_its_formula():
    block, x = made(LiGRBlock), vectors(1, 4, WIDTH)
    masks = masks_of(block, 1, 4)
    ones = [[torch.ones(LONGEST).double()] * HEADS] * 4
    projected = block.query_key_value(block.attention_norm(x[0])).split(WIDTH, dim=-1)
    attended = block.attention_out(attention_by_hand(*projected, ones))
    y = x[0] + torch.sigmoid(block.attention_gate(x[0])) * attended * masks[0, 0]
    slope, value = block.feed_in(block.feed_norm(y)).split(HIDDEN, dim=-1)
    fed = block.feed_out(slope * torch.sigmoid(slope) * value) * masks[1, 0]
    expected = y + torch.sigmoid(block.feed_gate(y)) * fed
    torch.testing.assert_close(block(x, masks)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("length", [3, 7])
def test_a_later_item_changes_no_earlier_state_and_padding_none(kind, length):
    block, x = made(kind), vectors(1, length, WIDTH)
    masks = masks_of(block, 1, length)
    before = block(x, masks)
    y = x.clone()
    y[:, 2:] *= -10
    torch.testing.assert_close(block(y, masks)[:, :2], before[:, :2])
    longer = functional.pad(x, (0, 0, 0, 3))
    padded = block(longer, functional.pad(masks, (0, 0, 0, 3), value=1))[:, :length]
    torch.testing.assert_close(padded, before)


@pytest.mark.parametrize("length", [7, 64, 150])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_in_tiles_and_its_gradient_are_those_of_plain_operations(length, dtype):
    shape = (2, HEADS, length, 4)
    given = [vectors(*shape).to(dtype).requires_grad_() for _ in range(3)]
    factors = (torch.rand(2, HEADS, length, length, generator=stream()) > 0.2).to(dtype) / 0.8
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    toward = torch.randn(shape, generator=stream()).to(dtype)
    tiled = attend(*given, dropout_masks=factors)
    plain = attend(*given, causal, factors)
    found = torch.autograd.grad((tiled * toward).sum(), given)
    expected = torch.autograd.grad((plain * toward).sum(), given)
    tolerance = {torch.float32: 2e-5, torch.float64: 1e-12}[dtype]
    torch.testing.assert_close(tiled, plain, rtol=tolerance, atol=tolerance)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def test_attention_weights_that_are_not_dropped_are_those_of_the_fused_kernel():
    given = [vectors(2, HEADS, 9, 4) for _ in range(3)]
    ones = torch.ones(2, HEADS, 9, 9).double()
    torch.testing.assert_close(attend(*given, dropout_masks=ones), attend(*given))
    seen = torch.ones(2, 1, 1, 9, dtype=torch.bool)
    seen[0, ..., 6:] = False
    torch.testing.assert_close(attend(*given, seen, ones), attend(*given, seen))
    bias = vectors(2, 1, 9, 9)
    torch.testing.assert_close(attend(*given, bias, ones), attend(*given, bias))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("positions", ["from-last", "from-first"])
def test_positions_are_counted_from_either_end(block, positions):
    model = CausalTransformer(WIDTH, 1, HEADS, LONGEST, HIDDEN, block=block, positions=positions)
    with torch.no_grad():
        model.positions.copy_(torch.arange(LONGEST)[:, None].expand(LONGEST, WIDTH))
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda block, given: seen.append(given[0]))
    model(torch.zeros(2, 4, WIDTH), torch.tensor([2, 4]))
    expected = [[1, 0], [3, 2, 1, 0]] if positions == "from-last" else [[0, 1], [0, 1, 2, 3]]
    assert [seen[0][row, : len(own), 0].tolist() for row, own in enumerate(expected)] == expected
