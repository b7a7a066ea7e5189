"""Updates in fewer bits, as a user's device would send them: unbiased, by the user's own stream.

Each array of an update gets one scale. Rounding up or down at random, in proportion to what lies
between, leaves the mean over users where it was (QSGD, Alistarh et al., NeurIPS 2017).
"""

import numpy as np
import torch
from torch import Tensor

from fedrec.randomness import generator

BYTES = {"float32": 4, "float16": 2, "int8": 1}  # of a number of an update on its way
LEVELS = 127  # of int8, on either side of 0
CUT = 13  # bits that float32's mantissa has more than float16's


def rounded(
    update: Tensor, kind: str, user: int, *, path: tuple[int | str, ...], seed: int
) -> Tensor:
    """What arrives of a user's array that is sent as ``kind``; float32.

    Args:
        update: of any shape, finite.
        kind: "float32", "float16" or "int8".
        user: global number.
        path: what else names the stream: round and the array's name.
        seed: of the run.
    """
    if kind == "float32" or not update.numel():
        return update
    largest = float(update.abs().max())
    if largest == 0:
        return update
    stream = generator(seed, "upload", *path, user)
    if kind == "int8":
        scale = largest / LEVELS
        if scale < torch.finfo(torch.float32).tiny:
            return torch.zeros_like(update)
        chance = torch.from_numpy(stream.random(update.numel(), dtype=np.float32))
        levels = (update.float() / scale + chance.view(update.shape).to(update.device)).floor()
        return (levels.clamp(-LEVELS, LEVELS) * scale).to(update)
    # Scaled by a power of two, which is exact, the largest comes near float16's largest.
    power = 14 - int(np.floor(np.log2(largest)))
    bits = torch.ldexp(update.float().cpu(), torch.tensor(power)).contiguous().view(torch.int32)
    chance = torch.from_numpy(stream.integers(1 << CUT, size=update.numel(), dtype=np.int32))
    kept = ((bits + chance.view(bits.shape)) >> CUT) << CUT
    halves = kept.view(torch.float32).half().float()  # exact, but where float16 is subnormal
    return torch.ldexp(halves, torch.tensor(-power)).to(update)
