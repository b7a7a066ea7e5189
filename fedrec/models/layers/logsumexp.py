"""Log-sum-exp of states against candidates, without the scores in memory.

A catalogue's scores are many times as large as what they are made of: writing them out, and again
for every step of the softmax and its gradient, costs more than the products. Here a few hundred
states at a time meet all candidates while their scores stay in the cache. Whoever says how much
each state will weigh in the loss gets the gradient from the same scores; else they are made anew.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedrec.native.logsumexp import is_possible, log_sum_exp

CHUNK = 512  # states whose scores are in the cache together
SAME = 1e-6  # how far weights that were foretold may be off, relative to the largest


def logsumexp_of_scores(
    states: Tensor,
    candidates: Tensor,
    own: Tensor | None = None,
    refused: Tensor | None = None,
    shift: float = 0.0,
    weights: Tensor | None = None,
    refused_rows: Tensor | None = None,
    uses_kernel: bool = False,
) -> Tensor:
    """(..., M) log of the sum over candidates of exp(state . candidate).

    Args:
        states: (..., M, D) States to score from.
        candidates: (..., K, D) Candidates of all states.
        own: (..., M, D) One more candidate of each state, or none.
        refused: (..., M, K) True where a candidate is left out, or none; (..., R, K) with
            ``refused_rows``.
        shift: Shift that is added to the scores of ``candidates``, not to that of ``own``.
        weights: (..., M) Weights of each state in the loss, up to a common factor, if they are
            known beforehand: the gradient then costs half. Others give the same gradient, more
            slowly.
        refused_rows: (..., M) Row of ``refused`` that belongs to each state, where several states
            share one.
        uses_kernel: Whether the kernel computes what it can.
    """
    # torch.func maps plain operations only, and a GPU has no such cache.
    if states.device.type != "cpu" or torch._C._are_functorch_transforms_active():
        scores = states @ candidates.mT + shift
        if refused is not None:
            if refused_rows is not None:
                refused = torch.take_along_dim(refused, refused_rows.unsqueeze(-1), dim=-2)
            scores = scores.masked_fill(refused, -torch.inf)
        found = scores.logsumexp(dim=-1)
        return found if own is None else torch.logaddexp(found, (states * own).sum(dim=-1))
    needed = any(one is not None and one.requires_grad for one in (states, candidates, own))
    if not (needed and torch.is_grad_enabled()):
        weights = None
    by_kernel = uses_kernel and is_possible(states)
    # torch leaves ``apply`` unannotated
    total: Tensor = _LogSumExp.apply(  # type: ignore[no-untyped-call]
        states, candidates, own, refused, shift, weights, refused_rows, by_kernel
    )
    return total


@dataclass(frozen=True)
class _Inputs:
    states: Tensor
    candidates: Tensor
    own: Tensor | None
    refused: Tensor | None
    shift: float
    refused_rows: Tensor | None

    def parts(self) -> list[tuple[Any, ...]]:
        """Where each chunk lies: indices of the leading axes, then a stretch of the states."""
        *leading, count, _ = self.states.shape
        places = [()] if not leading else [tuple(p) for p in torch.ones(leading).nonzero().tolist()]
        stretches = [slice(first, first + CHUNK) for first in range(0, count, CHUNK)]
        return [(*place, part) for place in places for part in stretches]

    def scores(self, at: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        """A chunk's scores (m, K) of the candidates and (m,) of its own, -inf without one."""
        states = self.states[at]
        scores = states @ self.candidates[at[:-1]].T
        if self.shift:
            scores += self.shift
        if self.refused is not None:
            scores.masked_fill_(self._refused(self.refused, at), -torch.inf)
        if self.own is None:
            return scores, scores.new_full((len(scores),), -torch.inf)
        return scores, (states * self.own[at]).sum(dim=1)

    def _refused(self, refused: Tensor, at: tuple[Any, ...]) -> Tensor:
        if self.refused_rows is None:
            return refused[at]
        return refused[at[:-1]].index_select(0, self.refused_rows[at])


class _Gradient:
    """Gradients of states, candidates and own candidates while they are summed up."""

    def __init__(self, inputs: _Inputs) -> None:
        self.inputs = inputs
        self.states = torch.empty_like(inputs.states)
        self.candidates = torch.zeros_like(inputs.candidates)
        self.own = None if inputs.own is None else torch.empty_like(inputs.own)

    def add(self, at: tuple[Any, ...], shares: Tensor, own_shares: Tensor) -> None:
        """Add what a chunk's shares of the loss move: (m, K) of candidates, (m,) of its own."""
        states, candidates = self.inputs.states[at], self.inputs.candidates[at[:-1]]
        torch.mm(shares, candidates, out=self.states[at])
        self.candidates[at[:-1]].addmm_(shares.T, states)
        if self.own is not None and self.inputs.own is not None:
            self.states[at].addcmul_(self.inputs.own[at], own_shares[:, None])
            torch.mul(states, own_shares[:, None], out=self.own[at])


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        candidates: Tensor,
        own: Tensor | None,
        refused: Tensor | None,
        shift: float,
        weights: Tensor | None,
        refused_rows: Tensor | None,
        by_kernel: bool,
    ) -> Tensor:
        """(..., M) from states (..., M, D), candidates (..., K, D), own (..., M, D)."""
        inputs = _Inputs(states, candidates, own, refused, shift, refused_rows)
        found: Tensor
        found, *ahead = (_by_kernel if by_kernel else _by_torch)(inputs, weights)
        ctx.save_for_backward(
            states, candidates, own, refused, found, weights, refused_rows, *ahead
        )
        ctx.shift, ctx.by_kernel = shift, by_kernel
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        states, candidates, own, refused, found, weights, rows, *ahead = ctx.saved_tensors
        nothing = (None,) * 5
        if ahead:
            factor = (grad * weights).sum() / weights.square().sum().clamp_min(1e-30)
            if bool((grad - factor * weights).abs().max() <= SAME * grad.abs().max()):
                return (*(None if one is None else one * factor for one in ahead), *nothing)
        inputs = _Inputs(states, candidates, own, refused, ctx.shift, rows)
        if ctx.by_kernel:
            return (*_by_kernel(inputs, grad)[1:], *nothing)
        gradient = _gradient_of(inputs, found, grad)
        return (gradient.states, gradient.candidates, gradient.own, *nothing)


def _by_torch(inputs: _Inputs, weights: Tensor | None) -> tuple[Any, ...]:
    """Values (..., M), and with weights the gradients of their weighted sum."""
    states = inputs.states
    gradient = None if weights is None else _Gradient(inputs)
    found = states.new_empty(states.shape[:-1])
    least, tiny = torch.finfo(states.dtype).min, torch.finfo(states.dtype).tiny
    for at in inputs.parts():
        scores, single = inputs.scores(at)
        # Where all candidates are refused, exp(-inf) must be 0 and not NaN.
        largest = torch.maximum(scores.amax(dim=1), single).clamp_min(least)
        single = (single - largest).exp_()
        total = scores.sub_(largest[:, None]).exp_().sum(dim=1).add_(single)
        if gradient is not None and weights is not None:
            rates = weights[at] / total.clamp_min(tiny)
            gradient.add(at, scores.mul_(rates[:, None]), single.mul_(rates))
        found[at] = total.log_().add_(largest)
    if gradient is None:
        return (found,)
    return found, gradient.states, gradient.candidates, gradient.own


def _gradient_of(inputs: _Inputs, found: Tensor, grad: Tensor) -> _Gradient:
    """Gradients from those of the values that were found (..., M)."""
    gradient = _Gradient(inputs)
    for at in inputs.parts():
        scores, single = inputs.scores(at)
        log, rates = found[at].nan_to_num(neginf=0.0), grad[at]
        shares = scores.sub_(log[:, None]).exp_().mul_(rates[:, None])
        gradient.add(at, shares, single.sub_(log).exp_().mul_(rates))
    return gradient


def _by_kernel(inputs: _Inputs, weights: Tensor | None) -> tuple[Any, ...]:
    """The same as ``_by_torch``, one call for each place of the leading axes."""
    leading = inputs.states.shape[:-2]
    parts = (inputs.states, inputs.candidates, inputs.own, inputs.refused, inputs.refused_rows)
    flat = [
        None if one is None else one.reshape(-1, *one.shape[len(leading) :])
        for one in (*parts, weights)
    ]
    found = []
    for place in range(leading.numel()):
        at: list[Any] = [None if one is None else one[place] for one in flat]
        found.append(log_sum_exp(*at, shift=inputs.shift))
    by_part = list(zip(*found, strict=True))
    kept = by_part if weights is not None else by_part[:1]
    return tuple(
        None if some[0] is None else torch.stack(some).view(*leading, *some[0].shape)
        for some in kept
    )
