"""One-person clients by the kernel: each user's gradient at shared weights, and its update.

A user's gradient is one row: the item rows (V + 1, D), then the transformer's parameters in the
order of ``named_parameters``.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedrec.native.encoder import EncoderShape, Inputs, encoder_inputs
from fedrec.native.library import library, pointer


class _Shared(ctypes.Structure):
    _fields_ = [
        ("encoder", Inputs),
        ("rows", ctypes.c_void_p),
        ("turned", ctypes.c_void_p),
        ("V", ctypes.c_long),
        ("scale", ctypes.c_float),
    ]


class _User(ctypes.Structure):
    _fields_ = [
        *(
            (n, ctypes.c_void_p)
            for n in ("items", "targets", "lengths", "refused", "dropout_masks")
        ),
        *((n, ctypes.c_long) for n in ("windows", "n")),
        ("weight", ctypes.c_float),
    ]


@dataclass(frozen=True, kw_only=True)
class UserTargets:
    """What one user trains on: n targets, window behind window.

    Attributes:
        items: (n,) int64, rows that are read.
        targets: (n,) int64, rows that followed.
        lengths: (W,) int64, targets of each window.
        refused: (V,) bool, items that are no negative of this user; none if all but the target are.
        dropout_masks: (num_masks, n, D) float32, or none.
        weight: Weight of each target's loss.
    """

    items: Tensor
    targets: Tensor
    lengths: Tensor
    refused: Tensor | None
    dropout_masks: Tensor | None
    weight: float


class UserGradients:
    """Gradients of users' softmax losses at the weights that all of them share.

    Args:
        rows: (V + 1, D) Item rows, tied between input and output, float32 on the CPU.
        scale: Factor of the rows that are read.
        shape: Shape of the transformer; one that is possible.
        arrays: Its parameters in the order of ``named_parameters``.
    """

    def __init__(
        self, rows: Tensor, scale: float, shape: EncoderShape, arrays: Sequence[Tensor]
    ) -> None:
        self._rows = rows.contiguous()
        self._weights = torch.cat([array.reshape(-1) for array in arrays])
        num_items, width = rows.shape[0] - 1, rows.shape[1]
        kernel = library()
        kernel.turned_rows.restype = ctypes.c_long
        kernel.add_user_gradient.restype = ctypes.c_double
        sizes = ctypes.c_long(num_items), ctypes.c_long(width)
        self._turned = rows.new_empty(kernel.turned_rows(*sizes))
        kernel.turn_rows(*sizes, pointer(self._rows), pointer(self._turned))
        self._shared = _Shared(
            encoder=encoder_inputs(shape, self._weights),
            rows=pointer(self._rows),
            turned=pointer(self._turned),
            V=num_items,
            scale=scale,
        )

    @property
    def num_items(self) -> int:
        """V."""
        return len(self._rows) - 1

    @property
    def width(self) -> int:
        """D."""
        return self._rows.shape[1]

    @property
    def size(self) -> int:
        """Numbers of a gradient."""
        return self._rows.numel() + self._weights.numel()

    def add(self, user: UserTargets, gradient: Tensor) -> float:
        """Add a user's gradient to (size,) float32; the sum of the losses, before their weight."""
        named = {
            name: None if array is None else array.contiguous()
            for name, array in vars(user).items()
            if name != "weight"
        }
        one = _User(
            **{name: pointer(array) for name, array in named.items()},
            windows=len(user.lengths),
            n=len(user.items),
            weight=user.weight,
        )
        found: float = library().add_user_gradient(
            ctypes.byref(self._shared), ctypes.byref(one), pointer(gradient)
        )
        return found


def measure(gradient: Tensor, sizes: Tensor) -> tuple[float, Tensor]:
    """The sum of all squares, and the largest size (A,) of the numbers of each array.

    Args:
        gradient: Arrays one behind the other, float32; not finite, and the sum is not.
        sizes: (A,) int64, numbers of each.
    """
    kernel = library()
    kernel.measure.restype = ctypes.c_double
    largest = gradient.new_empty(len(sizes))
    arrays = ctypes.c_long(len(sizes))
    squares: float = kernel.measure(pointer(gradient), pointer(sizes), arrays, pointer(largest))
    return squares, largest


def add_update(
    total: Tensor,
    gradient: Tensor,
    sizes: Tensor,
    *,
    rate: float,
    share: float,
    steps: Tensor | None = None,
    chances: Tensor | None = None,
) -> None:
    """Add share times the update, rate times the gradient, to a float64 total.

    Args:
        total: Arrays one behind the other, float64.
        gradient: The same in float32.
        sizes: (A,) int64, numbers of each array.
        rate: Factor of the gradient.
        share: Weight of the update.
        steps: (A,) Steps of int8, float32, 0 for an array that is not sent; none for no rounding.
        chances: In [0, 1), one for each number, float32, where there are steps.
    """
    library().add_update(
        *map(pointer, (total, gradient, chances, sizes, steps)),
        ctypes.c_long(len(sizes)),
        ctypes.c_float(rate),
        ctypes.c_double(share),
    )
