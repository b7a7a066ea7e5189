"""Linear learning-rate schedule to 0, as ``torch``'s LinearLR has it."""

import torch


def scheduled_rate(rate: float, over: int, behind: int) -> float:
    """Learning rate of a round.

    Args:
        rate: Learning rate of the first round.
        over: Rounds until it is 0, where it stays; 0 keeps the rate.
        behind: Rounds that lie behind this one.
    """
    return rate * max(1 - behind / over, 0.0) if over else rate


def set_scheduled_rate(optimizer: torch.optim.Optimizer, over: int, behind: int) -> None:
    """Set the learning rate of a round, whatever round an optimiser last had."""
    for group in optimizer.param_groups:
        first = group.setdefault("initial_lr", group["lr"])  # the name of torch's schedulers
        group["lr"] = scheduled_rate(first, over, behind)
