"""Losses over the next item, one number per target, and the registry of their names.

All take the states after an item and the output vectors of the candidates, with any leading axes,
such as one of clients that each have weights of their own; training takes the mean over targets.
Sampled softmax and full softmax are cross-entropies; BCE is SASRec's; gBCE is Petrov & Macdonald,
RecSys 2023; BPR is Rendle et al., UAI 2009.

To add a loss: its function and its line in ``LOSSES``, and its name in
``fedrec.config.values.choices``.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from fedrec.models.layers.logsumexp import logsumexp_of_scores


def softmax_losses(
    states: Tensor,
    vectors: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    refused: Tensor | None = None,
    refused_rows: Tensor | None = None,
    uses_kernel: bool = False,
) -> Tensor:
    """Cross-entropies (..., M) against the whole catalogue, or all of it that is not refused.

    Args:
        states: (..., M, D) One per target.
        vectors: (..., V, D) Output vectors.
        targets: (..., M) Row of ``vectors`` that follows.
        weights: (..., M) Weights of each target in the loss, up to a factor, for speed.
        refused: (..., R, V) True where an item is no negative, or none; the target counts always.
        refused_rows: (..., M) Row of ``refused`` that belongs to each target.
        uses_kernel: Whether the kernel computes what it can.
    """
    rows = targets.unsqueeze(-1).expand(*targets.shape, vectors.shape[-1])
    positives = vectors.gather(-2, rows)
    if refused is None:
        total = logsumexp_of_scores(states, vectors, weights=weights, uses_kernel=uses_kernel)
    else:  # the target is one of the user's own items
        total = logsumexp_of_scores(
            states,
            vectors,
            positives,
            refused,
            weights=weights,
            refused_rows=refused_rows,
            uses_kernel=uses_kernel,
        )
    return total - (states * positives).sum(dim=-1)


def sampled_softmax_losses(
    states: Tensor,
    positives: Tensor,
    negatives: Tensor,
    refused: Tensor,
    log_ratio: float = 0.0,
    weights: Tensor | None = None,
    uses_kernel: bool = False,
) -> Tensor:
    """Cross-entropies (..., M) of each target against itself and K negatives shared by all.

    Args:
        states: (..., M, D) States to score from.
        positives: (..., M, D) Output vectors of the targets.
        negatives: (..., K, D) Output vectors of the shared negatives.
        refused: (..., M, K) True where a negative is in that user's training history.
        log_ratio: Added to the negatives' scores: log(V / K) makes the sum over K uniform draws
            an unbiased stand-in for the sum over the catalogue (logQ correction of uniform
            proposals, Bengio & Senecal 2008).
        weights: (..., M) Weights of each target in the loss, up to a factor, for speed.
        uses_kernel: Whether the kernel computes what it can.
    """
    total = logsumexp_of_scores(
        states,
        negatives,
        own=positives,
        refused=refused,
        shift=log_ratio,
        weights=weights,
        uses_kernel=uses_kernel,
    )
    return total - (states * positives).sum(dim=-1)


def binary_losses(
    states: Tensor, positives: Tensor, negatives: Tensor, *, beta: float = 1.0
) -> Tensor:
    """BCE (..., M) of each target against its own K negatives; gBCE when beta < 1.

    gBCE raises the positive's probability to the power beta, which undoes the overconfidence
    that sampling causes (gSASRec, eq. 9). SASRec's BCE is beta = 1 with K = 1.

    Args:
        states: (..., M, D) States to score from.
        positives: (..., M, D) Output vectors of the targets.
        negatives: (..., M, K, D) Output vectors of each target's negatives.
        beta: ``gbce_beta`` or 1.
    """
    positive = (states * positives).sum(dim=-1)
    negative = _scores_of_own(states, negatives)
    return -beta * functional.logsigmoid(positive) - functional.logsigmoid(-negative).sum(dim=-1)


def pairwise_losses(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """BPR (..., M): minus the log-probability that the target beats its own negatives, their mean.

    Args:
        states: (..., M, D) States to score from.
        positives: (..., M, D) Output vectors of the targets.
        negatives: (..., M, K, D) Output vectors of each target's negatives.
    """
    positive = (states * positives).sum(dim=-1, keepdim=True)
    return -functional.logsigmoid(positive - _scores_of_own(states, negatives)).mean(dim=-1)


def _scores_of_own(states: Tensor, negatives: Tensor) -> Tensor:
    """Scores (..., M, K) of each target's own negatives."""
    if negatives.shape[-2] == 1:  # a batch of products of 1 x D by D x 1 is slow
        return (states * negatives.squeeze(-2)).sum(dim=-1, keepdim=True)
    return torch.einsum("...md,...mkd->...mk", states, negatives)


def gbce_beta(num_items: int, num_negatives: int, calibration: float) -> float:
    """The power beta of gBCE: alpha * (t * (1 - 1 / alpha) + 1 / alpha).

    Args:
        num_items: V; one item has nothing to be told from, whatever beta is.
        num_negatives: K.
        calibration: T in [0, 1]; 0 is BCE, 1 is fully calibrated. gSASRec eq. (14).
    """
    alpha = min(1.0, num_negatives / max(1, num_items - 1))
    return alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Options of a loss beside the scores.

    Attributes:
        num_candidates: C, items of the catalogue that training knows.
        negatives: K, ``loss.negatives``.
        log_q: ``loss.log-q``.
        calibration: ``loss.calibration``.
        uses_kernel: Whether the kernel computes what it can.
    """

    num_candidates: int
    negatives: int
    log_q: bool = True
    calibration: float = 0.75
    uses_kernel: bool = False


@dataclass(frozen=True, kw_only=True)
class LossFunction:
    """A loss over one catalogue: what targets are compared with, and the function that does it.

    Attributes:
        candidates: "own": K negatives drawn for each target; "shared": K negatives that all users
            share in a step; "all": the whole catalogue.
        negatives: K, 0 with "all".
        of_targets: Losses (..., M) from states (..., M, D) and, with "own", positives (..., M, D)
            and negatives (..., M, K, D); with "shared", positives (..., M, D), negatives
            (..., K, D) and by name refused (..., M, K) and weights (..., M); with "all", vectors
            (..., C, D), targets (..., M) and by name weights (..., M), refused (..., R, C) and
            refused_rows (..., M).
    """

    candidates: Literal["own", "shared", "all"]
    negatives: int
    of_targets: Callable[..., Tensor]


def _sampled_softmax(options: LossOptions) -> LossFunction:
    ratio = math.log(options.num_candidates / options.negatives) if options.log_q else 0.0
    return LossFunction(
        candidates="shared",
        negatives=options.negatives,
        of_targets=partial(
            sampled_softmax_losses, log_ratio=ratio, uses_kernel=options.uses_kernel
        ),
    )


def _softmax(options: LossOptions) -> LossFunction:
    return LossFunction(
        candidates="all",
        negatives=0,
        of_targets=partial(softmax_losses, uses_kernel=options.uses_kernel),
    )


def _bce(options: LossOptions) -> LossFunction:
    return LossFunction(candidates="own", negatives=1, of_targets=binary_losses)


def _gbce(options: LossOptions) -> LossFunction:
    beta = gbce_beta(options.num_candidates, options.negatives, options.calibration)
    return LossFunction(
        candidates="own",
        negatives=options.negatives,
        of_targets=partial(binary_losses, beta=beta),
    )


def _bpr(options: LossOptions) -> LossFunction:
    return LossFunction(candidates="own", negatives=1, of_targets=pairwise_losses)


LOSSES: Mapping[str, Callable[[LossOptions], LossFunction]] = {
    "sampled-softmax": _sampled_softmax,
    "softmax": _softmax,
    "bce": _bce,  # 1 negative per target whatever loss.negatives is, as SASRec does
    "gbce": _gbce,
    "bpr": _bpr,
}


def loss_from_scores(
    of_scores: Callable[[Tensor, Tensor], Tensor], options: LossOptions
) -> LossFunction:
    """A loss that looks at scores alone, with ``options.negatives`` negatives for each target.

    Args:
        of_scores: From scores of the targets (N,) and of their negatives (N, K) to losses (N,),
            each of which depends on its own row only.
        options: How many negatives there are.
    """

    def of_targets(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        positive = (states * positives).sum(dim=-1)
        negative = _scores_of_own(states, negatives)
        losses = of_scores(positive.reshape(-1), negative.reshape(-1, negative.shape[-1]))
        return losses.view(positive.shape)

    return LossFunction(candidates="own", negatives=options.negatives, of_targets=of_targets)
