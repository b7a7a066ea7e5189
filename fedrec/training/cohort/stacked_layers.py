"""Linear layers and norms with weights of their own for each of S weight sets.

The rows of their inputs are sorted by set, so that any axis they were flattened into can be
split again.
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
