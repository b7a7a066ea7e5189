"""Losses as a user would write them, good and bad."""

import torch
from torch.nn import functional


def binary(targets, negatives):
    """BCE, as gBCE without calibration is."""
    return functional.softplus(-targets) + functional.softplus(negatives).sum(dim=-1)


def hinge(targets, negatives):
    """How far the negatives are from losing by 1."""
    return (1 - targets.unsqueeze(-1) + negatives).clamp(min=0).mean(dim=-1)


def one_number(targets, negatives):
    return (negatives.mean(dim=-1) - targets).mean()


def an_array(targets, negatives):
    return targets.detach().numpy()


def infinite(targets, negatives):
    return -targets.sign().log() + negatives.sum(dim=-1)


def detached(targets, negatives):
    return targets.detach() - negatives.detach().sum(dim=-1)


def of_steps(targets, negatives):
    """Finite, but its gradient at 0 is not."""
    return targets.abs().sqrt() + negatives.sum(dim=-1)


def over_the_batch(targets, negatives):
    return (targets - targets.mean()).square() + negatives.sum(dim=-1)


def failing(targets, negatives):
    return torch.cat([targets, negatives])


number = 3
