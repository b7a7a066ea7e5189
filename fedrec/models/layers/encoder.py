"""What every encoder can do, and how a model has its items read by any of them."""

from typing import Protocol

from torch import Tensor

from fedrec.models.recommender import Task


class Encoder(Protocol):
    """Reads a sequence of item vectors; a module of torch.

    Attributes:
        task: what it is trained on.
        needs_times: whether it is told when the items were had.
        num_dropout_sites: how many dropout masks one forward pass takes.
    """

    @property
    def task(self) -> Task: ...  # noqa: D102

    @property
    def needs_times(self) -> bool: ...  # noqa: D102

    @property
    def num_dropout_sites(self) -> int: ...  # noqa: D102

    def __call__(  # noqa: D102
        self, x: Tensor, lengths: Tensor, keep: Tensor | None, /, *more: Tensor
    ) -> Tensor: ...


def read(
    encoder: Encoder,
    x: Tensor,
    places: Tensor,
    lengths: Tensor,
    keep: Tensor | None,
    times: Tensor | None,
) -> Tensor:
    """States (B, L, D) at each item, with what else the encoder wants to know.

    Args:
        encoder: of the model.
        x: (B, L, D) item vectors.
        places: (B, L) row of each item's table; 0, inside a row, is an item that is hidden.
        lengths: (B,) real positions of each row.
        keep: (sites, B, L, D) dropout factors, or none.
        times: (B, L + 2) seconds of the items, of what came before and of what follows, or none.
    """
    if encoder.task == "cloze":
        return encoder(x, lengths, keep, places == 0)
    if encoder.needs_times and times is not None:
        return encoder(x, lengths, keep, times)
    return encoder(x, lengths, keep)
