"""One-person clients by the kernel: each user's gradient at shared weights, or its own SGD steps.

A user's gradient is one row: the item rows (R, D), then the transformer's parameters in the order
of ``named_parameters``.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedrec.native.encoder import EncoderShape, Inputs, encoder_inputs
from fedrec.native.library import library, pointer

LOSSES = ("softmax", "sampled", "binary", "pairwise")  # in the order of the kernel's numbers


class _Shared(ctypes.Structure):
    _fields_ = [
        ("encoder", Inputs),
        ("rows", ctypes.c_void_p),
        ("turned", ctypes.c_void_p),
        ("count", ctypes.c_long),
        ("scale", ctypes.c_float),
    ]


_ARRAYS = ("items", "targets", "lengths", "negatives", "refused", "dropout_masks")


class _User(ctypes.Structure):
    _fields_ = [
        *((n, ctypes.c_void_p) for n in _ARRAYS),
        *((n, ctypes.c_long) for n in ("windows", "n", "K", "loss", "refused_each")),
        *((n, ctypes.c_float) for n in ("weight", "shift", "beta")),
    ]


class _Descent(ctypes.Structure):
    _fields_ = [(n, ctypes.c_float) for n in ("rate", "decay", "pull")]


@dataclass(frozen=True, kw_only=True)
class UserTargets:
    """What one user trains on in a step: n targets, window behind window.

    Attributes:
        items: (n,) int64, rows that are read.
        targets: (n,) int64, rows that followed.
        lengths: (W,) int64, targets of each window.
        negatives: "sampled": (K,) int64, rows that all targets share; "binary" and "pairwise":
            (n, K), those of each target; "softmax": none.
        refused: bool, what is no negative: with "softmax" (R - 1,) rows, or none if all but the
            target are negatives; with "sampled" (K,), or (n, K) for each target.
        dropout_masks: (num_masks, n, D) float32, or none.
        weight: Weight of each target's loss.
        loss: One of ``LOSSES``.
        shift: Shift of the negatives' scores under "sampled".
        beta: Power of the positive's probability under "binary".
    """

    items: Tensor
    targets: Tensor
    lengths: Tensor
    negatives: Tensor | None
    refused: Tensor | None
    dropout_masks: Tensor | None
    weight: float
    loss: str = "softmax"
    shift: float = 0.0
    beta: float = 1.0

    def arrays(self) -> dict[str, Tensor | None]:
        """Its arrays as the kernel reads them."""
        found: dict[str, Tensor | None] = {name: getattr(self, name) for name in _ARRAYS}
        return {name: None if one is None else one.contiguous() for name, one in found.items()}

    def as_read(self, arrays: dict[str, Tensor | None]) -> _User:
        """The structure that the kernel reads; the arrays must outlive it."""
        negatives, refused = self.negatives, self.refused
        return _User(
            **{name: pointer(array) for name, array in arrays.items()},
            windows=len(self.lengths),
            n=len(self.items),
            K=0 if negatives is None else negatives.shape[-1],
            loss=LOSSES.index(self.loss),
            refused_each=int(refused is not None and refused.ndim == 2),
            weight=self.weight,
            shift=self.shift,
            beta=self.beta,
        )


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Plain SGD: w <- w - rate * (gradient + decay * w + pull * (w - start))."""

    rate: float
    decay: float = 0.0
    pull: float = 0.0


class UserWeights:
    """Weights in one row, which the kernel reads where they lie.

    Args:
        flat: (size,) float32 on the CPU, item rows and parameters one behind the other.
        count: R, rows.
        width: D.
        scale: Factor of the rows that are read.
        shape: Shape of the transformer; one that is possible.
        is_turned: Whether losses against all rows are asked for.
    """

    def __init__(
        self,
        flat: Tensor,
        count: int,
        width: int,
        scale: float,
        shape: EncoderShape,
        *,
        is_turned: bool,
    ) -> None:
        self.flat, self.count, self.width = flat, count, width
        self.scale, self.shape = scale, shape
        kernel = library()
        kernel.turned_rows.restype = ctypes.c_long
        kernel.add_user_gradient.restype = ctypes.c_double
        self._turned = None
        if is_turned:
            sizes = ctypes.c_long(count), ctypes.c_long(width)
            self._turned = flat.new_empty(kernel.turned_rows(*sizes))
            kernel.turn_rows(*sizes, pointer(flat), pointer(self._turned))
        self._read = _Shared(
            encoder=encoder_inputs(shape, flat[count * width :]),
            rows=pointer(flat),
            turned=pointer(self._turned),
            count=count,
            scale=scale,
        )

    def copied(self, places: Tensor) -> "UserWeights":
        """A copy that holds the rows ``places`` (R,) alone, row 0 first."""
        size = self.count * self.width
        rows = self.flat[:size].view(self.count, self.width).index_select(0, places)
        flat = torch.cat([rows.view(-1), self.flat[size:]])
        is_turned = self._turned is not None
        return UserWeights(flat, len(rows), self.width, self.scale, self.shape, is_turned=is_turned)

    def add_gradient(self, user: UserTargets, gradient: Tensor) -> float:
        """Add a user's gradient to (size,) float32; the sum of the losses, before their weight.

        Raises:
            IndexError: A row or a position that there is not.
        """
        self._check(user)
        arrays = user.arrays()
        one = user.as_read(arrays)
        found: float = library().add_user_gradient(
            ctypes.byref(self._read), ctypes.byref(one), pointer(gradient)
        )
        return found

    def train(
        self, steps: Sequence[UserTargets], descent: Descent, start: Tensor, scratch: Tensor
    ) -> list[float]:
        """Train the weights in place; the sum of the losses of each step, before their weight.

        Args:
            steps: Steps of one user.
            descent: Rate, decay and pull.
            start: (size,) Weights before the first step.
            scratch: (size,) float32.

        Raises:
            IndexError: A row or a position that there is not.
        """
        for user in steps:
            self._check(user)
        kept = [user.arrays() for user in steps]
        read = (_User * len(steps))(
            *(user.as_read(arrays) for user, arrays in zip(steps, kept, strict=True))
        )
        losses = (ctypes.c_double * len(steps))()
        library().train_user(
            ctypes.byref(self._read),
            read,
            ctypes.c_long(len(steps)),
            *map(pointer, (self.flat, scratch, start)),
            ctypes.c_long(len(self.flat)),
            ctypes.byref(_Descent(descent.rate, descent.decay, descent.pull)),
            losses,
        )
        return list(losses)

    def _check(self, user: UserTargets) -> None:
        """Refuse what would be read or written beyond an array."""
        longest, most = int(user.lengths.max()), self._read.encoder.shape.positions
        if longest > most:
            raise IndexError(f"a window of {longest} targets; the transformer has {most} positions")
        for rows in (user.items, user.targets, user.negatives):
            if rows is not None and rows.numel() and int(rows.max()) >= self.count:
                raise IndexError(f"row {int(rows.max())} of a table of {self.count}")
