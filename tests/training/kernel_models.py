"""A SASRec that the kernel knows."""

import torch

from fedrec.models.layers.transformer import CausalTransformer
from fedrec.models.sasrec import SASRec
from tests.training.cohort.one_by_one import NUM_ITEMS, shaken


def sasrec(block="sasrec", positions="from-first", dtype=torch.float32):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = CausalTransformer(16, 2, 1, 10, 32, block=block, positions=positions)
        rows = torch.randn(NUM_ITEMS + 1, 16) / 8
    encoder.uses_kernel = True
    return shaken(SASRec(rows, encoder), dtype)
