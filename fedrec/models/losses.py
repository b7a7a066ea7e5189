"""Losses over the next item: of each target, and as a mean over targets.

All take the states after an item and the output vectors of the candidates. The losses of each
target take any leading axes, such as one of clients that each have weights of their own. Sampled
softmax and full softmax are cross-entropies; BCE is SASRec's; gBCE is Petrov & Macdonald,
RecSys 2023.
"""

import torch
from torch import Tensor
from torch.nn import functional


def softmax_loss(states: Tensor, vectors: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy against the whole catalogue.

    Args:
        states: (M, D) one per target.
        vectors: (V, D) output vectors.
        targets: (M,) row of ``vectors`` that follows.
    """
    return functional.cross_entropy(states @ vectors.T, targets)


def softmax_losses(states: Tensor, vectors: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropies (..., M) against the whole catalogue.

    Args:
        states: (..., M, D).
        vectors: (..., V, D).
        targets: (..., M).
    """
    scores = states @ vectors.mT
    return scores.logsumexp(dim=-1) - scores.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def sampled_softmax_loss(
    states: Tensor, positives: Tensor, negatives: Tensor, refused: Tensor, log_ratio: float = 0.0
) -> Tensor:
    """Mean of ``sampled_softmax_losses`` over targets."""
    return sampled_softmax_losses(states, positives, negatives, refused, log_ratio).mean()


def sampled_softmax_losses(
    states: Tensor, positives: Tensor, negatives: Tensor, refused: Tensor, log_ratio: float = 0.0
) -> Tensor:
    """Cross-entropies (..., M) of each target against itself and K negatives shared by all.

    Args:
        states: (..., M, D).
        positives: (..., M, D) output vectors of the targets.
        negatives: (..., K, D) output vectors of the shared negatives.
        refused: (..., M, K) true where a negative is in that user's training history.
        log_ratio: added to the negatives' scores: log(V / K) makes the sum over K uniform draws
            an unbiased stand-in for the sum over the catalogue (logQ correction of uniform
            proposals, Bengio & Senecal 2008).
    """
    positive = (states * positives).sum(dim=-1)
    negative = (states @ negatives.mT + log_ratio).masked_fill(refused, -torch.inf)
    # log(exp(p) + sum exp(n)) without a copy of the (M, K) scores beside the positives.
    return torch.logaddexp(positive, negative.logsumexp(dim=-1)) - positive


def binary_loss(
    states: Tensor, positives: Tensor, negatives: Tensor, *, beta: float = 1.0
) -> Tensor:
    """Mean of ``binary_losses`` over targets."""
    return binary_losses(states, positives, negatives, beta=beta).mean()


def binary_losses(
    states: Tensor, positives: Tensor, negatives: Tensor, *, beta: float = 1.0
) -> Tensor:
    """BCE (..., M) of each target against its own K negatives; gBCE when beta < 1.

    gBCE raises the positive's probability to the power beta, which undoes the overconfidence
    that sampling causes (gSASRec, eq. 9). SASRec's BCE is beta = 1 with K = 1.

    Args:
        states: (..., M, D).
        positives: (..., M, D) output vectors of the targets.
        negatives: (..., M, K, D) output vectors of each target's negatives.
        beta: ``gbce_beta`` or 1.
    """
    positive = (states * positives).sum(dim=-1)
    if negatives.shape[-2] == 1:  # a batch of products of 1 x D by D x 1 is slow
        negative = (states * negatives.squeeze(-2)).sum(dim=-1, keepdim=True)
    else:
        negative = torch.einsum("...md,...mkd->...mk", states, negatives)
    return -beta * functional.logsigmoid(positive) - functional.logsigmoid(-negative).sum(dim=-1)


def gbce_beta(num_items: int, num_negatives: int, calibration: float) -> float:
    """The power beta of gBCE: alpha * (t * (1 - 1 / alpha) + 1 / alpha).

    Args:
        num_items: V.
        num_negatives: K.
        calibration: t in [0, 1]; 0 is BCE, 1 is fully calibrated. gSASRec eq. (14).
    """
    alpha = min(1.0, num_negatives / (num_items - 1))
    return alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
