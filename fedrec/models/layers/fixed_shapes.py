"""Computation in blocks of fixed shapes, so that no result depends on what is computed beside it.

A matrix product picks its kernel by the shape, and two kernels add in two orders: the same user's
scores differ in their last bits between a batch of one and of sixty-four, and so do those of two
equal items in a catalogue of 27. Within one shape, every row and every column is computed alike.
So items, histories and scores are computed in blocks of one size each, filled up where fewer are
left. The length that a history is padded to follows from its own length alone.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

ITEMS = 512  # items that are looked up together
STATES = 32  # states of a product of scores
COLUMNS = 1024  # items of a product of scores
HISTORIES = 32  # that are encoded together: a multiple of what a CPU's vector instructions take
HISTORIES_ON_A_GPU = 128
SHORTEST = 8  # length that shorter histories are padded to


class Block(NamedTuple):
    """Histories of about one length that are encoded together.

    Attributes:
        length: What they are padded to.
        rows: (n,) their rows, as many as in every block; the first one again where they are fewer.
        real: How many of these are meant.
    """

    length: int
    rows: Tensor
    real: int


def padded_length(length: int, longest: int) -> int:
    """8, 16, 32, 64, ... whichever is enough, but never more than ``longest``."""
    return min(max(SHORTEST, 1 << (length - 1).bit_length()), longest)


def blocks_of_histories(lengths: Tensor, longest: int, together: int) -> Iterator[Block]:
    """Blocks of histories (B,), each of one padded length and one number of rows.

    Args:
        lengths: (B,) positions of each, on the device where they are encoded.
        longest: The most positions that the model reads.
        together: Histories of a block on a CPU.
    """
    size = together if lengths.device.type == "cpu" else HISTORIES_ON_A_GPU
    padded = torch.tensor(
        [padded_length(length, longest) for length in lengths.tolist()], device=lengths.device
    )
    for length in sorted(set(padded.tolist())):
        for rows in torch.split((padded == length).nonzero().flatten(), size):
            yield Block(length, _filled_up(rows, size), len(rows))


def resized(rows: Tensor, length: int, filler: Tensor) -> Tensor:
    """Rows (B, L) cut to a length or padded to it with a filler (B, 1)."""
    missing = max(0, length - rows.shape[1])
    return torch.cat([rows[:, :length], filler.expand(-1, missing)], dim=1)


def by_blocks(compute: Callable[..., tuple[Tensor, ...]], *of_items: Tensor) -> tuple[Tensor, ...]:
    """Tensors (K, ...) that a function gives for tensors (K, ...), in blocks of one size."""
    parts = []
    for some in zip(*(torch.split(each, ITEMS) for each in of_items), strict=True):
        found = compute(*(_filled_up(each, ITEMS) for each in some))
        parts.append(tuple(part[: len(some[0])] for part in found))
    return tuple(torch.cat(of_all) for of_all in zip(*parts, strict=True))


def products(states: Tensor, vectors: Tensor) -> Tensor:
    """Scores (B, K) of vectors (K, D) by states (B, D), in blocks of one shape."""
    return by_pairs(lambda left, right: left @ right.T, states, vectors)


def by_pairs(
    compute: Callable[[Tensor, Tensor], Tensor], states: Tensor, vectors: Tensor
) -> Tensor:
    """Scores (B, K) that a function gives for some states and vectors, in blocks of one shape.

    Args:
        compute: From states (32, D) and vectors (1024, D) to scores (32, 1024).
        states: (B, D) States.
        vectors: (K, D) Vectors.
    """
    scores = states.new_empty(len(states), len(vectors))
    lefts = [_with_zeros(some, STATES) for some in torch.split(states, STATES)]
    for first in range(0, len(vectors), COLUMNS):
        some = vectors[first : first + COLUMNS]
        right = _with_zeros(some, COLUMNS)
        for number, left in enumerate(lefts):
            into = scores[number * STATES : (number + 1) * STATES, first : first + len(some)]
            into.copy_(compute(left, right)[: len(into), : len(some)])
    return scores


def _filled_up(rows: Tensor, size: int) -> Tensor:
    """Rows (n, ...) and the first of them again, up to a size."""
    missing = size - len(rows)
    return torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])]) if missing else rows


def _with_zeros(rows: Tensor, size: int) -> Tensor:
    return functional.pad(rows, (0, 0, 0, size - len(rows))) if len(rows) < size else rows
