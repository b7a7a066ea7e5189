"""Dropout masks from our own streams.

A mask belongs to a user, a round and a step, and is drawn at the user's own length. It therefore
depends neither on who shares the batch, nor on the padding, nor on the worker: the same client
work gives the same bytes on every engine.
"""

import numpy as np
import torch
from torch import Tensor

from fedrec.randomness import generator

LEVELS = 256  # a byte decides, so p is rounded to the nearest 1/256


def draw_dropout_masks(
    users: np.ndarray,
    lengths: np.ndarray,
    *,
    num_masks: int,
    width: int,
    dropout: float,
    path: tuple[int | str, ...],
    seed: int,
) -> Tensor | None:
    """Factors (num_masks, B, L, D), 0 or 1 / (1 - p), for ``Hybrid.encode``; none when p = 0.

    Nor are there any for a model that drops nothing.

    Args:
        users: (B,) Global user numbers, each with a stream of its own; several rows of a user are
            cut from it one behind the other.
        lengths: (B,) Real positions of each row; the padding behind them is never dropped.
        num_masks: Places in the model where dropout acts.
        width: D.
        dropout: P, the chance of dropping a component.
        path: Further names of the stream: round and step.
        seed: Seed of the run.
    """
    threshold = min(round(dropout * LEVELS), LEVELS - 1)
    if threshold == 0 or num_masks == 0:
        return None
    drawn = np.full((num_masks, len(users), int(lengths.max()), width), LEVELS - 1, dtype=np.uint8)
    rows_of: dict[int, list[int]] = {}
    for row, user in enumerate(users.tolist()):
        rows_of.setdefault(user, []).append(row)
    for user, rows in rows_of.items():
        stream, total = generator(seed, "dropout", *path, user), int(lengths[rows].sum())
        bytes_ = np.frombuffer(stream.bytes(num_masks * total * width), dtype=np.uint8)
        own, first = bytes_.reshape(num_masks, total, width), 0
        for row in rows:
            length = int(lengths[row])
            drawn[:, row, :length] = own[:, first : first + length]
            first += length
    scale = LEVELS / (LEVELS - threshold)
    return torch.from_numpy(drawn).ge_(threshold).to(torch.float32).mul_(scale)
