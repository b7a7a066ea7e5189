"""Quantization of updates: unbiased stochastic rounding to float16 or int8.

Each array of an update gets one scale. Rounding up or down at random, in proportion to what lies
between, leaves the mean over users where it was (QSGD, Alistarh et al., NeurIPS 2017).
"""

import math

import numpy as np
import torch
from torch import Tensor

BYTES = {"float32": 4, "float16": 2, "int8": 1}  # of a number of an update on its way
LEVELS = 127  # of int8, on either side of 0
CUT = 13  # bits that float32's mantissa has more than float16's


def quantize(array: Tensor, kind: str, stream: np.random.Generator) -> None:
    """Quantize one array of a user's update in place.

    Args:
        array: Finite, contiguous array of any shape.
        kind: "float32", "float16" or "int8".
        stream: Random stream of the user; one draw for each number of each array in turn, so that
            the result does not depend on who else is trained.
    """
    if kind == "float32" or not array.numel():
        return
    largest = max(abs(float(end)) for end in array.aminmax())
    chance = torch.from_numpy(stream.random(array.numel(), dtype=np.float32))
    chance = chance.view(array.shape).to(array.device)
    if kind == "int8":
        _to_levels(array, largest / LEVELS, chance)
    elif largest > 0:
        _to_halves(array, largest, chance)


def int8_steps(largest: Tensor) -> Tensor:
    """Steps of arrays, from their largest numbers; 0 for one that a device cannot send."""
    steps = largest / LEVELS
    return torch.where(steps < torch.finfo(torch.float32).tiny, 0, steps)


def _to_levels(array: Tensor, step: float, chance: Tensor) -> None:
    """Multiples of the step, at most ``LEVELS`` of them on either side."""
    if step < torch.finfo(torch.float32).tiny:
        array.zero_()  # a device could not send that step
        return
    # 127 and a chance that is all but 1 add up to 128 in float32.
    levels = chance.add_(array, alpha=1 / step).floor_().clamp_(-LEVELS, LEVELS)
    torch.mul(levels, step, out=levels)
    array.copy_(levels)


def _to_halves(array: Tensor, largest: float, chance: Tensor) -> None:
    """Numbers of float16's precision, all of them scaled by one power of two."""
    # Scaled by a power of two, which is exact, the largest comes near float16's largest.
    power = torch.tensor(14 - math.floor(math.log2(largest)))
    bits = torch.ldexp(array.float(), power).contiguous().view(torch.int32)
    kept = ((bits + (chance * (1 << CUT)).int()) >> CUT) << CUT
    halves = kept.view(torch.float32).half().float()  # exact, but where float16 is subnormal
    array.copy_(torch.ldexp(halves, -power))
