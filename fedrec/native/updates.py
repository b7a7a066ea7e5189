"""A user's update on its way to the sum, by the kernel: its length, and its rounding to int8."""

import ctypes
from dataclasses import dataclass

from torch import Tensor

from fedrec.native.library import library, pointer


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Arrays one behind the other, the first of them rows of a table.

    Attributes:
        sizes: (A,) int64, numbers of each array.
        places: (R,) int64, rows of the whole table that the first array holds.
        width: D of these rows.
        num_rows: Rows of the whole table.
    """

    sizes: Tensor
    places: Tensor
    width: int
    num_rows: int


def measure(update: Tensor, sizes: Tensor) -> tuple[float, Tensor]:
    """The sum of all squares, and the largest size (A,) of the numbers of each array.

    Args:
        update: Arrays one behind the other, float32; not finite, and the sum is not.
        sizes: (A,) int64, numbers of each.
    """
    kernel = library()
    kernel.measure.restype = ctypes.c_double
    largest = update.new_empty(len(sizes))
    arrays = ctypes.c_long(len(sizes))
    squares: float = kernel.measure(pointer(update), pointer(sizes), arrays, pointer(largest))
    return squares, largest


def add_update(
    total: Tensor,
    update: Tensor,
    layout: Layout,
    *,
    rate: float,
    share: float,
    steps: Tensor | None = None,
    chances: Tensor | None = None,
) -> None:
    """Add share times rate times the numbers of an update to a float64 total.

    Args:
        total: The whole table and the other arrays one behind the other, float64.
        update: The same for the rows of the layout, in float32.
        layout: Layout of the update.
        rate: Factor of its numbers before they are rounded.
        share: Weight of the update.
        steps: (A,) Steps of int8, float32, 0 for an array that is not sent; none for no rounding.
        chances: In [0, 1), one for each number, float32, where there are steps.
    """
    library().add_update(
        *map(pointer, (total, update, chances, layout.sizes, steps)),
        ctypes.c_long(len(layout.sizes)),
        ctypes.c_float(rate),
        ctypes.c_double(share),
        pointer(layout.places),
        ctypes.c_long(layout.width),
        ctypes.c_long(layout.num_rows * layout.width),
    )
