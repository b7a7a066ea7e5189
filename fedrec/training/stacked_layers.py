"""Linear layers and norms with weights of their own for each of S weight sets.

The rows of their inputs are sorted by set, so that any axis they were flattened into can be
split again. A norm and the linear layer behind it are one function: folded into the layer, the
norm's own weights cost as much as the layer's, however many rows there are.
"""

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
        ones, zeros = _neutral(x.shape[-1], x.dtype, x.device)
        normal = functional.layer_norm(x, x.shape[-1:], ones, zeros, self.eps)
        rows = normal.view(len(self.weight), -1, x.shape[-1])
        return torch.addcmul(self.bias.unsqueeze(1), rows, self.weight.unsqueeze(1)).view_as(x)


def normed_linear(
    norm: nn.LayerNorm | StackedLayerNorm, linear: nn.Linear | StackedLinear, x: Tensor
) -> Tensor:
    """``linear(norm(x))`` (..., O) for x (..., I); both are stacked, and have biases."""
    rows = x.view(len(linear.weight), -1, x.shape[-1])
    # torch leaves ``apply`` unannotated
    out: Tensor = _NormedAffine.apply(  # type: ignore[no-untyped-call]
        rows, norm.weight, norm.bias, linear.weight, linear.bias, norm.eps
    )
    return out.view(*x.shape[:-1], -1)


class _Affine(torch.autograd.Function):
    """Rows (S, M, I) times weights (S, O, I) plus biases (S, O).

    Autograd's own backward pass makes the weights' gradient transposed in memory, which the
    optimiser then walks through across the grain.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
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


class _NormedAffine(torch.autograd.Function):
    """Rows (S, M, I) to norms n, then to W (g * n + b) + c, which is (W g) n + (W b + c).

    g and b are (S, I), W is (S, O, I), c is (S, O).
    """

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        scale: Tensor,
        shift: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
    ) -> Tensor:
        # With neutral weights: torch's kernel without any takes nearly twice as long.
        ones, zeros = _neutral(rows.shape[-1], rows.dtype, rows.device)
        normal, mean, rate = torch.native_layer_norm(rows, rows.shape[-1:], ones, zeros, eps)
        scaled = weight * scale.unsqueeze(1)
        shifted = torch.baddbmm(bias.unsqueeze(1), shift.unsqueeze(1), weight.mT)
        ctx.save_for_backward(rows, normal, mean, rate, scale, shift, weight, scaled)
        return torch.baddbmm(shifted, normal, scaled.mT)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, normal, mean, rate, scale, shift, weight, scaled = ctx.saved_tensors
        ones, zeros = _neutral(rows.shape[-1], rows.dtype, rows.device)
        to_rows, _, _ = torch.ops.aten.native_layer_norm_backward(
            torch.bmm(gradient, scaled),
            rows,
            rows.shape[-1:],
            mean,
            rate,
            ones,
            zeros,
            [True, False, False],
        )
        to_scaled = torch.bmm(gradient.mT, normal)
        to_bias = gradient.sum(dim=1)
        to_scale = (to_scaled * weight).sum(dim=1)
        to_shift = torch.bmm(to_bias.unsqueeze(1), weight).squeeze(1)
        to_weight = to_scaled.mul_(scale.unsqueeze(1))
        to_weight.addcmul_(to_bias.unsqueeze(2), shift.unsqueeze(1))
        return to_rows, to_scale, to_shift, to_weight, to_bias, None


@lru_cache(maxsize=64)
def _neutral(width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weight and bias of a norm that change nothing."""
    return (
        torch.ones(width, dtype=dtype, device=device),
        torch.zeros(width, dtype=dtype, device=device),
    )
