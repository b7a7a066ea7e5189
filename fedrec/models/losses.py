"""Losses over the next item: of each target, and as a mean over targets.

All take the states after an item and the output vectors of the candidates. The losses of each
target take any leading axes, such as one of clients that each have weights of their own. Sampled
softmax and full softmax are cross-entropies; BCE is SASRec's; gBCE is Petrov & Macdonald,
RecSys 2023; BPR is Rendle et al., UAI 2009.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fedrec.models.layers.logsumexp import logsumexp_of_scores


def softmax_loss(states: Tensor, vectors: Tensor, targets: Tensor) -> Tensor:
    """Mean of ``softmax_losses`` over targets."""
    return softmax_losses(states, vectors, targets, torch.ones_like(states[..., 0])).mean()


def softmax_losses(
    states: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Cross-entropies (..., M) against the whole catalogue.

    Args:
        states: (..., M, D) one per target.
        vectors: (..., V, D) output vectors.
        targets: (..., M) row of ``vectors`` that follows.
        weights: (..., M) of each target in the loss, up to a factor, for speed.
    """
    rows = targets.unsqueeze(-1).expand(*targets.shape, vectors.shape[-1])
    positives = vectors.gather(-2, rows)
    total = logsumexp_of_scores(states, vectors, weights=weights)
    return total - (states * positives).sum(dim=-1)


def sampled_softmax_loss(
    states: Tensor, positives: Tensor, negatives: Tensor, refused: Tensor, log_ratio: float = 0.0
) -> Tensor:
    """Mean of ``sampled_softmax_losses`` over targets."""
    equally = torch.ones_like(states[..., 0])
    return sampled_softmax_losses(states, positives, negatives, refused, log_ratio, equally).mean()


def sampled_softmax_losses(
    states: Tensor,
    positives: Tensor,
    negatives: Tensor,
    refused: Tensor,
    log_ratio: float = 0.0,
    weights: Tensor | None = None,
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
        weights: (..., M) of each target in the loss, up to a factor, for speed.
    """
    total = logsumexp_of_scores(
        states, negatives, own=positives, refused=refused, shift=log_ratio, weights=weights
    )
    return total - (states * positives).sum(dim=-1)


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
    negative = _scores_of_own(states, negatives)
    return -beta * functional.logsigmoid(positive) - functional.logsigmoid(-negative).sum(dim=-1)


def pairwise_loss(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean of ``pairwise_losses`` over targets."""
    return pairwise_losses(states, positives, negatives).mean()


def pairwise_losses(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """BPR (..., M): minus the log-probability that the target beats its own negatives, their mean.

    Args:
        states: (..., M, D).
        positives: (..., M, D) output vectors of the targets.
        negatives: (..., M, K, D) output vectors of each target's negatives.
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
        calibration: t in [0, 1]; 0 is BCE, 1 is fully calibrated. gSASRec eq. (14).
    """
    alpha = min(1.0, num_negatives / max(1, num_items - 1))
    return alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
