"""Protocol of sequence encoders, and the call of any of them by a model."""

import inspect
from functools import lru_cache
from typing import Literal, Protocol

import torch
from torch import Tensor

# What training asks of a model: at each item the next one, or hidden items from both sides.
TrainingTask = Literal["next", "cloze"]


class SequenceEncoder(Protocol):
    """A torch module that encodes a sequence of item embeddings.

    Attributes:
        task: Training task.
        needs_times: Whether it reads the times of events.
        num_dropout_masks: Number of dropout masks of one forward pass.
    """

    @property
    def task(self) -> TrainingTask:
        """Training task."""

    @property
    def needs_times(self) -> bool:
        """Whether it reads the times of events."""

    @property
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""

    def __call__(
        self, x: Tensor, lengths: Tensor, dropout_masks: Tensor | None, /, *more: Tensor
    ) -> Tensor:
        """States (B, L, D) of item embeddings (B, L, D) with real lengths (B,); see ``read``."""


def read(
    encoder: SequenceEncoder,
    x: Tensor,
    indices: Tensor,
    lengths: Tensor,
    dropout_masks: Tensor | None,
    times: Tensor | None,
    *,
    last: bool = False,
) -> Tensor:
    """Encode items to states (B, L, D) or last ones (B, D), with masks or times where needed.

    Args:
        encoder: Sequence encoder of the model.
        x: (B, L, D) Item vectors.
        indices: (B, L) Row of each item's table; 0, inside a row, is an item that is hidden.
        lengths: (B,) Real positions of each row.
        dropout_masks: (num_masks, B, L, D) Dropout masks, or none.
        times: (B, L + 2) Seconds of the items, of what came before and of what follows, or none.
        last: Whether only the states at the last positions are wanted.
    """
    more: tuple[Tensor, ...] = ()
    if encoder.task == "cloze":
        more = (indices == 0,)
    elif encoder.needs_times and times is not None:
        more = (times,)
    if not last:
        return encoder(x, lengths, dropout_masks, *more)
    if gives_last(type(encoder), "forward"):
        found: Tensor = encoder(x, lengths, dropout_masks, *more, last=True)  # type: ignore[call-arg]  # of some encoders
        return found
    return encoder(x, lengths, dropout_masks, *more)[
        torch.arange(len(x), device=x.device), lengths - 1
    ]


@lru_cache(maxsize=64)
def gives_last(kind: type, method: str) -> bool:
    """Whether a method of a class computes the last states alone, by its argument ``last``."""
    return "last" in inspect.signature(getattr(kind, method)).parameters
