"""Log-sum-exp of states against candidates by the kernel, with its gradient."""

import ctypes
from typing import NamedTuple

import torch
from torch import Tensor

from fedrec.native.encoder import LANES
from fedrec.native.library import library, pointer, threads


class Found(NamedTuple):
    """What the kernel found.

    Attributes:
        values: (M,) Log-sum-exp of each state; minus infinity where it meets no candidate.
        to_states: (M, D) Gradient of the weighted sum of the values, or none without weights.
        to_candidates: (K, D) The same.
        to_own: (M, D) The same.
    """

    values: Tensor
    to_states: Tensor | None
    to_candidates: Tensor | None
    to_own: Tensor | None


class _Candidates(ctypes.Structure):
    _fields_ = [
        *((n, ctypes.c_void_p) for n in ("states", "candidates", "own")),
        *((n, ctypes.c_void_p) for n in ("refused", "refused_rows", "weights")),
        *((n, ctypes.c_long) for n in "MKD"),
        ("shift", ctypes.c_float),
    ]


class _Found(ctypes.Structure):
    _fields_ = [(n, ctypes.c_void_p) for n in ("found", "to_states", "to_candidates", "to_own")]


def is_possible(states: Tensor) -> bool:
    """Whether the kernel takes states (..., D)."""
    return (
        states.device.type == "cpu"
        and states.dtype == torch.float32
        and states.shape[-1] % LANES == 0
    )


def log_sum_exp(
    states: Tensor,
    candidates: Tensor,
    own: Tensor | None,
    refused: Tensor | None,
    refused_rows: Tensor | None,
    weights: Tensor | None,
    *,
    shift: float,
) -> Found:
    """Log of the sum over candidates of exp(state . candidate + shift), and of exp(state . own).

    Args:
        states: (M, D) States, float32.
        candidates: (K, D) Candidates of all states.
        own: (M, D) One more candidate of each state, or none.
        refused: (R, K) True where a candidate is left out, or none.
        refused_rows: (M,) Row of ``refused`` of each state; each has its own if none are given.
        weights: (M,) Weight of each value in the sum that is differentiated; no gradient if none.
        shift: Shift of the candidates' scores, not of the own one's.
    """
    arrays = [states, candidates, own, refused, refused_rows, weights]
    kept = [None if one is None else one.contiguous() for one in arrays]
    values = states.new_empty(len(states))
    to_states = to_candidates = to_own = None
    if weights is not None:
        to_states, to_candidates = torch.empty_like(states), torch.zeros_like(candidates)
        to_own = None if own is None else torch.empty_like(states)
    inputs = _Candidates(*map(pointer, kept), len(states), len(candidates), states.shape[1], shift)
    outputs = Found(values, to_states, to_candidates, to_own)
    found = _Found(*map(pointer, outputs))
    library().log_sum_exp(ctypes.byref(inputs), ctypes.byref(found), threads())
    return outputs
