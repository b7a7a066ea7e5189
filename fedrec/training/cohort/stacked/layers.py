"""Linear layers and norms with weights of their own for each of S weight sets.

As modules for autograd, and as functions that return their result and their way back.

The rows of their inputs are sorted by set, so that any axis they were flattened into can be
split again.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class StackedLinear(nn.Module):
    """``nn.Linear`` with a weight (S, O, I) per set and, if it has one, a bias (S, O)."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(plain.weight[None])
        self.bias = None if plain.bias is None else nn.Parameter(plain.bias[None])

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., O) for (..., I), whose rows are sorted by set."""
        rows = x.reshape(len(self.weight), -1, x.shape[-1])
        # torch leaves ``apply`` unannotated
        out: Tensor = _Affine.apply(rows, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return out.view(*x.shape[:-1], -1)


class StackedLayerNorm(nn.Module):
    """``nn.LayerNorm`` over the last axis with weight and bias (S, D)."""

    def __init__(self, plain: nn.LayerNorm) -> None:
        super().__init__()
        self.weight = nn.Parameter(plain.weight[None])
        self.bias = nn.Parameter(plain.bias[None])
        self.eps = plain.eps

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., D) for (..., D), whose rows are sorted by set."""
        ones, zeros = neutral(x.shape[-1], x.dtype, x.device)
        normal = functional.layer_norm(x, x.shape[-1:], ones, zeros, self.eps)
        rows = normal.view(len(self.weight), -1, x.shape[-1])
        return torch.addcmul(self.bias.unsqueeze(1), rows, self.weight.unsqueeze(1)).view_as(x)


class _Affine(torch.autograd.Function):
    """Rows (S, M, I) times weights (S, O, I) plus biases (S, O).

    Autograd's own backward pass makes the weights' gradient transposed in memory, which the
    optimiser then walks through across the grain.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(S, M, O) from rows (S, M, I), weights (S, O, I) and biases (S, O)."""
        ctx.save_for_backward(rows, weight)
        if bias is None:
            return torch.bmm(rows, weight.mT)
        return torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        to_rows, to_weight, to_bias = ctx.needs_input_grad
        return (
            torch.bmm(gradient, weight) if to_rows else None,
            torch.bmm(gradient.mT, rows) if to_weight else None,
            gradient.sum(dim=1) if to_bias else None,
        )


@lru_cache(maxsize=64)
def neutral(width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weight and bias of a norm that change nothing."""
    return (
        torch.ones(width, dtype=dtype, device=device),
        torch.zeros(width, dtype=dtype, device=device),
    )


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Callable[..., Any]]:
    """(U, M, O) from rows of (U, M, I), weights (S, O, I) and biases (S, O)."""
    rows = x.view(len(weight), -1, x.shape[-1])
    out = torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)

    def back(gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        own = gradient.view(len(weight), -1, gradient.shape[-1])
        to_rows, to_weight = torch.bmm(own, weight), torch.bmm(own.mT, rows)
        return to_rows.view_as(x), to_weight, own.sum(dim=1)

    return out.view(*x.shape[:-1], -1), back


def normed_linear(
    x: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor, *, eps: float
) -> tuple[Tensor, Callable[..., Any]]:
    """Rows to norms n, then to W (g * n + b) + c, which is (W g) n + (W b + c).

    g and b are (S, I), W is (S, O, I), c is (S, O).
    """
    normal, rate = _normal(x, eps)
    rows = normal.view(len(weight), -1, x.shape[-1])
    # Weight sets that are all one take no more room than one.
    sets = 1 if weight.stride(0) == 0 else len(weight)
    scaled = weight[:sets] * scale[:sets].unsqueeze(1)
    shifted = torch.baddbmm(
        bias[:sets].unsqueeze(1), shift[:sets].unsqueeze(1), weight[:sets].mT
    ).expand(len(weight), 1, -1)
    scaled = scaled.expand_as(weight)
    out = torch.baddbmm(shifted, rows, scaled.mT)

    def back(gradient: Tensor) -> tuple[Tensor, ...]:
        own = gradient.view(len(weight), -1, gradient.shape[-1])
        to_x = _normal_backward(torch.bmm(own, scaled).view_as(x), normal)
        to_scaled, to_bias = torch.bmm(own.mT, rows), own.sum(dim=1)
        to_scale = (to_scaled * weight).sum(dim=1)
        to_shift = torch.bmm(to_bias.unsqueeze(1), weight).squeeze(1)
        to_weight = to_scaled.mul_(scale.unsqueeze(1))
        to_weight.addcmul_(to_bias.unsqueeze(2), shift.unsqueeze(1))
        return to_x, rate, to_scale, to_shift, to_weight, to_bias

    return out.view(*x.shape[:-1], -1), back


def norm(
    x: Tensor, scale: Tensor, shift: Tensor, *, eps: float
) -> tuple[Tensor, Callable[..., Any]]:
    """A layer norm with scale and shift of its own."""
    normal, rate = _normal(x, eps)
    rows = normal.view(len(scale), -1, x.shape[-1])
    out = torch.addcmul(shift.unsqueeze(1), rows, scale.unsqueeze(1))

    def back(gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        own = gradient.reshape(rows.shape)
        to_scale, to_shift = (own * rows).sum(dim=1), own.sum(dim=1)
        to_normal = (own * scale.unsqueeze(1)).view_as(x)
        return _normal_backward(to_normal, normal).mul_(rate), to_scale, to_shift

    return out.view_as(x), back


def _normal(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """X (..., D) with mean 0 and variance 1, and by what (..., 1) it was multiplied."""
    # With neutral weights: torch's kernel without any takes nearly twice as long.
    ones, zeros = neutral(x.shape[-1], x.dtype, x.device)
    normal, _, rate = torch.native_layer_norm(x, x.shape[-1:], ones, zeros, eps)
    return normal, rate


def _normal_backward(gradient: Tensor, normal: Tensor) -> Tensor:
    """What ``_normal`` makes of a gradient, but for the factor ``rate``; needs no input of it."""
    ones, zeros = neutral(normal.shape[-1], normal.dtype, normal.device)
    mean, rate = normal.new_zeros(*normal.shape[:-1], 1), normal.new_ones(*normal.shape[:-1], 1)
    out: Tensor
    out, _, _ = torch.ops.aten.native_layer_norm_backward(
        gradient, normal, normal.shape[-1:], mean, rate, ones, zeros, [True, False, False]
    )
    return out
