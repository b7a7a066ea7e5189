"""What a model's states must be: shapes, causality, independence of padding and neighbours."""

import numpy as np
import torch
from torch import Tensor

from fedrec.models.recommender import Recommender
from fedrec.testing.conformance import MAX_LENGTH, NUM_ITEMS, demand

TOLERANCE = 1e-5
USERS = np.arange(3)  # of the rows below


def check_states(model: Recommender) -> None:
    """Check ``look_up``, ``output_vectors`` and ``encode`` of a model.

    Raises:
        ConformanceError: The first thing that does not hold.
    """
    model.eval()
    with torch.no_grad():
        _check_items(model)
        _check_shapes(model)
        if model.task == "next" and not model.user_arrays:
            _check_causality(model)
        _check_padding(model)
        _check_dropout(model)


def _rows() -> tuple[Tensor, Tensor]:
    """Items (3, 8) of three users, padded on the right, and their lengths (3,)."""
    items = torch.from_numpy(np.random.default_rng(1).integers(1, NUM_ITEMS + 1, size=(3, 8)))
    lengths = torch.tensor([8, 5, 1])
    return items * (torch.arange(8) < lengths[:, None]), lengths


def _encoded(
    model: Recommender, items: Tensor, lengths: Tensor, keep: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    table = model.look_up(torch.arange(NUM_ITEMS + 1))
    times = torch.arange(items.shape[1] + 2).expand(len(items), -1) * 3600
    return model.encode_for(
        USERS[: len(items)], table, items, lengths, keep, times if model.needs_times else None
    )


def _check_items(model: Recommender) -> None:
    views, frequency = model.look_up(torch.arange(NUM_ITEMS + 1))
    names, rows = len(model.view_names), NUM_ITEMS + 1
    demand(
        views.ndim == 3 and views.shape[:2] == (rows, names),
        f"look_up gave views of shape {tuple(views.shape)} for {rows} items and {names} view_names,"
        f" expected ({rows}, {names}, D)",
    )
    demand(
        frequency.shape == (rows,),
        f"look_up gave frequency of shape {tuple(frequency.shape)}, expected ({rows},)",
    )
    some = torch.tensor([5, 3, 5])
    part = model.output_vectors(model.look_up(some))
    whole = model.output_vectors(model.look_up(torch.arange(rows)))
    demand(
        part.ndim == 2 and torch.allclose(part, whole[some], atol=TOLERANCE),
        "an item's output vector depends on the items that are looked up with it",
    )


def _check_shapes(model: Recommender) -> None:
    items, lengths = _rows()
    states, weights = _encoded(model, items, lengths)
    width = model.output_vectors(model.look_up(torch.arange(2))).shape[-1]
    expected = (*items.shape, width)
    demand(
        tuple(states.shape) == expected,
        f"encode gave states of shape {tuple(states.shape)}, expected {expected}: one per position,"
        " as wide as output_vectors",
    )
    expected = (*items.shape, len(model.view_names))
    demand(
        tuple(weights.shape) == expected,
        f"encode gave view weights of shape {tuple(weights.shape)}, expected {expected}",
    )
    is_real = torch.arange(items.shape[1]) < lengths[:, None]
    sums = weights.sum(dim=-1)[is_real]
    demand(
        torch.allclose(sums, torch.ones_like(sums), atol=TOLERANCE),
        "the view weights of a position do not sum to 1",
    )
    demand(bool(torch.isfinite(states[is_real]).all()), "a state holds NaN or infinity")
    demand(
        torch.equal(states, _encoded(model, items, lengths)[0]),
        "the same sequence is encoded to other states the second time, without dropout",
    )


def _check_causality(model: Recommender) -> None:
    items, lengths = _rows()
    states, _ = _encoded(model, items, lengths)
    for place in range(1, items.shape[1]):
        changed = items.clone()
        changed[0, place:] = changed[0, place:] % NUM_ITEMS + 1
        after, _ = _encoded(model, changed, lengths)
        demand(
            torch.allclose(after[0, :place], states[0, :place], atol=TOLERANCE),
            f"changing the item at position {place} changes a state before it: the model sees what "
            "it is asked to predict",
        )


def _check_padding(model: Recommender) -> None:
    items, lengths = _rows()
    states, _ = _encoded(model, items, lengths)
    padded, _ = _encoded(model, torch.nn.functional.pad(items, (0, MAX_LENGTH - 8)), lengths)
    alone, _ = _encoded(model, items[:1], lengths[:1])
    for row, length in enumerate(lengths.tolist()):
        demand(
            torch.allclose(padded[row, :length], states[row, :length], atol=TOLERANCE),
            "a state depends on how far its row is padded",
        )
    demand(
        torch.allclose(alone[0], states[0], atol=TOLERANCE),
        "a user's states depend on the other users of the batch",
    )


def _check_dropout(model: Recommender) -> None:
    items, lengths = _rows()
    masks = model.num_dropout_masks
    if not masks:
        return
    width = model.look_up(torch.arange(2)).views.shape[-1]
    ones = torch.ones(masks, *items.shape, width)
    plain, whole = _encoded(model, items, lengths)[0], _encoded(model, items, lengths, ones)[0]
    is_real = torch.arange(items.shape[1]) < lengths[:, None]
    demand(
        torch.allclose(plain[is_real], whole[is_real], atol=TOLERANCE),
        "dropout masks of 1 change the states; multiply by them and by nothing else",
    )
    for place in range(masks):
        masked = ones.clone()
        masked[place, :, :, ::2] = 0
        dropped = _encoded(model, items, lengths, masked)[0]
        demand(
            not torch.equal(dropped[is_real], whole[is_real]),
            f"num_dropout_masks is {masks}, but mask {place} changes nothing",
        )
