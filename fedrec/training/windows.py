"""Training windows of one-user clients, and what each trains on in each local step.

Everything here is a pure function of seed, round, step and user, so that a client's work does not
depend on who is trained beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedrec.randomness import generator
from fedrec.training.dropout import draw_dropout_masks
from fedrec.training.negatives import own_negatives

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class UserWindows:
    """A user's history in windows of at most L targets.

    Attributes:
        user: Global number.
        history: (n,) The training part.
        starts: (W,) Place in the history of each window's first input, full windows first, in
            the order of time; the short one, which is the oldest, last.
        lengths: (W,) Targets of each window, L except in a short one.
    """

    user: int
    history: NDArray[np.integer]
    starts: Ints
    lengths: Ints

    @property
    def num_targets(self) -> int:
        """Targets of one pass."""
        return int(self.lengths.sum())


def windows_of(
    user: int, history: NDArray[np.integer], max_length: int, newest: int
) -> UserWindows:
    """Cut a history into windows from its end; targets of two windows never overlap.

    Args:
        user: Global number.
        history: (n,) Items, at least 2.
        max_length: L.
        newest: Number of windows to keep, the newest; 0 for all.
    """
    targets = len(history) - 1
    full, short = divmod(targets, max_length)
    starts = short + max_length * np.arange(full)
    lengths = np.full(full, max_length)
    if newest and full >= newest:
        starts, lengths = starts[-newest:], lengths[-newest:]
    elif short:
        starts, lengths = np.append(starts, 0), np.append(lengths, short)
    return UserWindows(
        user=user,
        history=history,
        starts=starts.astype(np.int64),
        lengths=lengths.astype(np.int64),
    )


def windows_in_step(
    windows: UserWindows, batch_size: int, *, seed: int, round: int, step: int
) -> Ints:
    """Numbers of the windows that a step trains on, in the order of ``windows``.

    Steps go through a user's windows in an order of its own for the round, again and again.

    Args:
        windows: Windows of the user.
        batch_size: Windows in a step; 0 or as many as there are: all of them.
        seed: Seed of the run.
        round: Number of the round, from 1.
        step: Number of the step in the round, from 0.
    """
    count = len(windows.starts)
    if not 0 < batch_size < count:
        return np.arange(count)
    order = generator(seed, "windows", round, windows.user).permutation(count)
    return np.sort(order[(step * batch_size + np.arange(batch_size)) % count])


@dataclass(frozen=True, kw_only=True)
class UserStep:
    """One user's part in one step: M targets, window behind window.

    Attributes:
        lengths: (W,) Targets of the step's windows.
        items: (M,) What was read.
        targets: (M,) What followed.
        negatives: (M, K) Drawn for each target, or none.
        dropout_masks: (num_masks, M, D) Dropout masks, or none.
    """

    lengths: Ints
    items: Ints
    targets: Ints
    negatives: Ints | None
    dropout_masks: Tensor | None


def user_steps(
    windows: UserWindows,
    *,
    steps: int,
    batch_size: int,
    num_negatives: int,
    catalogue: Ints,
    num_masks: int,
    width: int,
    dropout: float,
    seed: int,
    round: int,
    keep: bool = False,
) -> Sequence[UserStep]:
    """All steps of one user in a round.

    A stream is drawn once for all windows of a step, at the user's own number of targets: with a
    single window, these are the numbers that ``local.fit`` draws.

    Args:
        windows: Windows of the user.
        steps: Number of steps.
        batch_size: Windows a step; 0 for all.
        num_negatives: K drawn for each target; 0 for none.
        catalogue: (C,) Items that they are drawn from, ascending.
        num_masks: Dropout masks of one forward pass.
        width: D.
        dropout: P.
        seed: Seed of the run.
        round: Number of the round, from 1.
        keep: Whether items of the history are negatives.
    """
    made: list[UserStep] = []
    for step in range(steps):
        chosen = windows_in_step(windows, batch_size, seed=seed, round=round, step=step)
        if made and len(chosen) == len(windows.starts):
            lengths, items, targets = made[0].lengths, made[0].items, made[0].targets
        else:
            lengths = windows.lengths[chosen]
            # Place t of a window that starts at s reads history[s + t].
            first = np.cumsum(lengths) - lengths
            places = np.arange(lengths.sum()) + np.repeat(windows.starts[chosen] - first, lengths)
            items = windows.history[places].astype(np.int64)
            targets = windows.history[places + 1].astype(np.int64)
        negatives = dropout_masks = None
        if num_negatives:
            stream = generator(seed, "negatives", round, step, windows.user)
            negatives = own_negatives(
                stream, windows.history, catalogue, targets, num_negatives, keep=keep
            )
        if dropout > 0:
            factors = draw_dropout_masks(
                np.array([windows.user]),
                np.array([len(items)]),
                num_masks=num_masks,
                width=width,
                dropout=dropout,
                path=(round, step),
                seed=seed,
            )
            dropout_masks = None if factors is None else factors[:, 0]
        made.append(
            UserStep(
                lengths=lengths,
                items=items,
                targets=targets,
                negatives=negatives,
                dropout_masks=dropout_masks,
            )
        )
    return made
