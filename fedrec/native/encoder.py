"""A causal transformer by the kernel, forward and backward, as one autograd node.

Windows are computed one after the other, each at its own length: padding costs nothing, and no
state depends on what shares the batch. The way back computes the way forward again, since reading
what would have been kept costs as much.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedrec.native.library import library, pointer, threads

LANES = 16  # widths must be multiples of it, whatever vectors the machine has
PRE_NORM, SASREC = 0, 1


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """Shape of a transformer.

    Attributes:
        width: D.
        hidden: H, width of the feed-forward layers.
        heads: Heads of each block.
        blocks: Number of blocks.
        kind: ``PRE_NORM`` or ``SASREC``.
        positions: P, length of the longest window.
        from_first: Whether positions are counted from the first item of a window.
    """

    width: int
    hidden: int
    heads: int
    blocks: int
    kind: int
    positions: int
    from_first: bool

    @property
    def is_possible(self) -> bool:
        """Whether the kernel knows this shape."""
        odd = odd_width(self.width, self.hidden, self.heads)
        return self.width % self.heads == 0 and odd is None


def odd_width(width: int, hidden: int, heads: int) -> tuple[str, int] | None:
    """The first width that the kernels do not take, by the keys that set it; none if there is none.

    Args:
        width: Width of a state.
        hidden: Width inside the feed-forward layer.
        heads: Number of heads.
    """
    named = {
        "model.width": width,
        "model.hidden": hidden,
        "the width of a head, model.width / model.heads,": width // heads,
    }
    return next(((name, each) for name, each in named.items() if each % LANES), None)


class _Shape(ctypes.Structure):
    _fields_ = [
        (n, ctypes.c_long) for n in ("D", "H", "heads", "blocks", "kind", "positions", "from_first")
    ]


class _Windows(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("first", "length", "set")),
        ("count", ctypes.c_long),
    ]


class Inputs(ctypes.Structure):
    """Weights, items and masks as the kernel reads them."""

    _fields_ = [
        ("shape", _Shape),
        ("weights", ctypes.c_void_p),
        ("weight_stride", ctypes.c_long),
        ("x", ctypes.c_void_p),
        ("masks", ctypes.c_void_p),
        ("mask_stride", ctypes.c_long),
    ]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows among T positions, those of a weight set one after the other.

    Attributes:
        first: (W,) int64, position where each begins.
        length: (W,) int64, its positions, at least 1.
        set: (W,) int64, the weight set that reads it.
    """

    first: Tensor
    length: Tensor
    set: Tensor


def encode_windows(
    x: Tensor,
    windows: Windows,
    dropout_masks: Tensor | None,
    shape: EncoderShape,
    arrays: Sequence[Tensor],
    sets: int,
) -> Tensor:
    """States (T, D) after each position of the windows, 0 elsewhere.

    Args:
        x: (T, D) Item vectors, float32 on the CPU.
        windows: Where the windows lie.
        dropout_masks: (num_masks, T, D) Dropout masks, or none.
        shape: Shape of the transformer; one that is possible.
        arrays: Its parameters in the order of ``named_parameters``, each (S, ...), or without
            that axis where there is one set.
        sets: S, number of weight sets.
    """
    out: Tensor = _Encoder.apply(x, windows, dropout_masks, shape, sets, *arrays)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    return out


def encode_last(
    x: Tensor, windows: Windows, shape: EncoderShape, arrays: Sequence[Tensor]
) -> Tensor:
    """States (W, D) after the last position of each window, by one set of weights.

    They are those of ``encode_windows`` to the bit. Nothing is kept for a way back.

    Args:
        x: (T, D) Item vectors, float32 on the CPU.
        windows: Where the windows lie.
        shape: Shape of the transformer; one that is possible.
        arrays: Its parameters in the order of ``named_parameters``.
    """
    weights = torch.cat([one.detach().reshape(1, -1) for one in arrays], dim=1)
    x = x.detach().contiguous()
    out = x.new_empty(len(windows.first), x.shape[1])
    inputs = encoder_inputs(shape, weights, x, None)
    library().encoder_last(ctypes.byref(inputs), _windows(windows, shape), pointer(out), threads())
    return out


class _Encoder(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        windows: Windows,
        dropout_masks: Tensor | None,
        shape: EncoderShape,
        sets: int,
        *arrays: Tensor,
    ) -> Tensor:
        """States (T, D) of items (T, D)."""
        x = x.contiguous()
        masks = None if dropout_masks is None else dropout_masks.contiguous()
        # All of them are views of one array where nothing was trained yet: sets are then equal.
        is_shared = sets > 1 and all(a.stride(0) == 0 or a.shape[0] == 1 for a in arrays)
        weights = torch.cat(
            [(a[:1] if is_shared else a).reshape(1 if is_shared else sets, -1) for a in arrays],
            dim=1,
        )
        out = torch.zeros_like(x)
        inputs = encoder_inputs(shape, weights, x, masks)
        library().encoder_forward(
            ctypes.byref(inputs), _windows(windows, shape), pointer(out), threads()
        )
        ctx.save_for_backward(x, masks, weights)
        ctx.windows, ctx.shape, ctx.sets = windows, shape, sets
        ctx.shapes = [a.shape for a in arrays]
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        x, masks, weights = ctx.saved_tensors
        inputs = encoder_inputs(ctx.shape, weights, x, masks)
        to_x = torch.zeros_like(x)
        to_weights = weights.new_zeros(ctx.sets, weights.shape[1])
        library().encoder_backward(
            ctypes.byref(inputs),
            _windows(ctx.windows, ctx.shape),
            pointer(gradient.contiguous()),
            pointer(to_x),
            pointer(to_weights),
            ctypes.c_long(to_weights.shape[1] if ctx.sets > 1 else 0),
            threads(),
        )
        parts = to_weights.split([shape.numel() // ctx.sets for shape in ctx.shapes], dim=1)
        own = [part.reshape(shape) for part, shape in zip(parts, ctx.shapes, strict=True)]
        return to_x, None, None, None, None, *own


def encoder_inputs(
    shape: EncoderShape, weights: Tensor, x: Tensor | None = None, masks: Tensor | None = None
) -> Inputs:
    """Weights (sets, size) or (size,), items (T, D) and dropout masks, for a call of the kernel."""
    numbers = (shape.width, shape.hidden, shape.heads, shape.blocks, shape.kind, shape.positions)
    return Inputs(
        shape=_Shape(*numbers, int(shape.from_first)),
        weights=pointer(weights),
        weight_stride=weights.shape[1] if weights.ndim > 1 and len(weights) > 1 else 0,
        x=pointer(x),
        masks=pointer(masks),
        mask_stride=0 if x is None else x.numel(),
    )


def _windows(windows: Windows, shape: EncoderShape) -> Any:
    if len(windows.length) and (longest := int(windows.length.max())) > shape.positions:
        raise IndexError(f"a window of {longest} items; there are {shape.positions} positions")
    arrays = (windows.first, windows.length, windows.set)
    for one in arrays:
        assert one.dtype == torch.int64
        assert one.is_contiguous()
    return ctypes.byref(_Windows(*map(pointer, arrays), len(windows.first)))
