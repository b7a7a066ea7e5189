"""The transformer by the kernel, beside the same transformer by torch in float64."""

import copy

import pytest
import torch

from fedrec.models.layers.transformer import CausalTransformer, kernel_shape
from fedrec.native.encoder import Windows, encode_windows

SHAPES = {  # width, blocks, heads, longest, hidden, block, positions
    "SASRec's block": (32, 2, 1, 40, 32, "sasrec", "from-first"),
    "SASRec's block, two heads": (32, 1, 2, 37, 48, "sasrec", "from-last"),
    "pre-norm": (32, 2, 1, 40, 64, "pre-norm", "from-last"),
    "pre-norm, three heads": (48, 1, 3, 19, 16, "pre-norm", "from-first"),
}
LENGTHS = [1, 2, 5, 6, 7, 16, 17, 19]
TOLERANCE = 1e-5


def transformer(shape, seed=0):
    width, blocks, heads, longest, hidden, block, positions = SHAPES[shape]
    made = CausalTransformer(
        width, blocks, heads, longest, hidden, block=block, positions=positions
    )
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, 0.2, generator=stream)
    return made


def drawn(model, lengths, *, dropout):
    """Items (B, L, D) and dropout masks of windows of some lengths."""
    stream = torch.Generator().manual_seed(1)
    shape = (len(lengths), max(lengths), model.positions.shape[1])
    items = torch.randn(shape, generator=stream)
    if not dropout:
        return items, None
    kept = torch.rand(model.num_dropout_masks, *shape, generator=stream) < 0.8
    return items, kept / 0.8


def through(model, items, lengths, masks, weights):
    """States, and gradients of sum(states * weights) by items and parameters, without padding."""
    items = items.clone().requires_grad_()
    states = model(items, torch.tensor(lengths), masks)
    real = (torch.arange(items.shape[1]) < torch.tensor(lengths)[:, None])[..., None]
    states = states * real
    gradients = torch.autograd.grad((states * weights).sum(), [items, *model.parameters()])
    return [states.detach(), *gradients]


def close(found, expected):
    return all(
        float((one - other).abs().max()) <= TOLERANCE * max(1e-3, float(other.abs().max()))
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_states_and_gradients_are_those_of_torch_in_float64(shape, dropout):
    model = transformer(shape)
    items, masks = drawn(model, LENGTHS, dropout=dropout)
    weights = torch.randn(items.shape, generator=torch.Generator().manual_seed(2))
    oracle = copy.deepcopy(model).double()
    expected = through(
        oracle, items.double(), LENGTHS, None if masks is None else masks.double(), weights.double()
    )
    model.uses_kernel = True
    assert kernel_shape(model, items) is not None
    found = through(model, items, LENGTHS, masks, weights)
    assert close(found, expected)
    assert not close([one * (1 + 4 * TOLERANCE) for one in found], expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_window_has_the_same_states_whatever_is_beside_it(shape):
    model = transformer(shape)
    model.uses_kernel = True
    items, masks = drawn(model, LENGTHS, dropout=True)
    with torch.no_grad():
        together = model(items, torch.tensor(LENGTHS), masks)
        for row, length in enumerate(LENGTHS):
            alone = model(
                items[row : row + 1, :length],
                torch.tensor([length]),
                masks[:, row : row + 1, :length],
            )
            assert torch.equal(together[row, :length], alone[0])
            assert not together[row, length:].any()


@pytest.mark.parametrize("shape", ["SASRec's block, two heads", "pre-norm"])
@pytest.mark.parametrize("own", ["weights", "gradients"])
def test_sets_of_weights_are_as_many_transformers(shape, own):
    """Two sets; with "gradients" they have equal weights, which are then read as one."""
    models = [transformer(shape), transformer(shape, seed=int(own == "weights"))]
    items, masks = drawn(models[0], LENGTHS, dropout=True)
    weights = torch.randn(items.shape, generator=torch.Generator().manual_seed(2))
    half = len(LENGTHS) // 2
    count, length, width = items.shape
    lengths = torch.tensor(LENGTHS)
    windows = Windows(
        first=torch.arange(count) * length, length=lengths, set=torch.arange(count) // half
    )
    pairs = zip(*(model.parameters() for model in models), strict=True)
    stacked = [
        torch.stack(pair).detach().requires_grad_()
        if own == "weights"
        else pair[0].detach().expand(2, *pair[0].shape).requires_grad_()
        for pair in pairs
    ]
    leaf = items.clone().requires_grad_()
    shape_of = kernel_shape(models[0], items)
    flat = masks.reshape(-1, count * length, width)
    states = encode_windows(leaf.reshape(-1, width), windows, flat, shape_of, stacked, 2)
    real = (torch.arange(length) < lengths[:, None])[..., None]
    loss = (states.view_as(items) * real * weights).sum()
    to_items, *to_stacked = torch.autograd.grad(loss, [leaf, *stacked])
    for number, model in enumerate(models):
        rows = slice(number * half, (number + 1) * half)
        expected = through(model, items[rows], LENGTHS[rows], masks[:, rows], weights[rows])
        assert close([to_items[rows], *(one[number] for one in to_stacked)], expected[1:])


def test_bytes_do_not_hang_on_the_number_of_threads():
    """Windows of more positions than one thread does at a time."""
    model = transformer("SASRec's block")
    model.uses_kernel = True
    lengths = [40] * 120
    items, masks = drawn(model, lengths, dropout=True)
    weights = torch.randn(items.shape, generator=torch.Generator().manual_seed(2))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(through(model, items, lengths, masks, weights))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_what_the_kernel_does_not_know_is_left_to_torch():
    items = torch.randn(2, 3, 32)
    for kind, width, hidden in (("ligr", 32, 32), ("sasrec", 24, 32), ("sasrec", 32, 24)):
        model = CausalTransformer(width, 1, 1, 8, hidden, block=kind)
        model.uses_kernel = True
        some = torch.randn(2, 3, width)
        assert kernel_shape(model, some) is None
        assert model(some, torch.tensor([3, 2])).isfinite().all()
    model = CausalTransformer(32, 1, 1, 8, 32)
    model.uses_kernel = True
    assert kernel_shape(model, items) is not None
    assert kernel_shape(model, items.double()) is None
    assert kernel_shape(CausalTransformer(32, 0, 1, 8, 32), items) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_the_last_states_alone_are_those_among_all_to_the_bit(shape):
    model = transformer(shape)
    model.uses_kernel = True
    items, _ = drawn(model, LENGTHS, dropout=False)
    lengths = torch.tensor(LENGTHS)
    with torch.no_grad():
        every = model(items, lengths)
        before, found = torch.get_num_threads(), []
        try:
            for threads in (1, 3):
                torch.set_num_threads(threads)
                found.append(model(items, lengths, last=True))
        finally:
            torch.set_num_threads(before)
    for last in found:
        assert torch.equal(last, every[torch.arange(len(LENGTHS)), lengths - 1])
