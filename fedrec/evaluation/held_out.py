"""Rank the held-out items of some users by any scorer, under any protocols at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from fedrec.data.negatives import history_mask
from fedrec.data.sequences import Sequences
from fedrec.data.splits import Stage, history, targets
from fedrec.evaluation.protocols import candidates
from fedrec.evaluation.ranking import candidate_ranks, num_candidates, ranks_of

BATCH = 128  # users scored together


class Scores(NamedTuple):
    """What a scorer says of B users.

    Attributes:
        scores: (B, V + 1) of every item as the next one.
        gates: (B, N) mean weights of the views over the sequence; N is 0 without a gate.
    """

    scores: np.ndarray
    gates: np.ndarray


Fixed = Callable[[np.ndarray, np.ndarray], np.ndarray]  # users, targets -> candidates, 0 for none


class Scorer(Protocol):
    """Scores by the histories of B users; a model that knows its users takes their numbers (B,)."""

    def __call__(self, histories: Sequence[np.ndarray], users: np.ndarray | None = None) -> Scores:
        """Scores of every item as the next one of each history."""


@dataclass(frozen=True)
class HeldOut:
    """Ranks of U users' held-out items.

    Attributes:
        users: (U,) global numbers.
        targets: (U,) held-out items.
        ranks: protocol -> (U,) ranks.
        num_candidates: (U,) items ranked under "full".
        gates: (U, N) mean gate weights.
    """

    users: np.ndarray
    targets: np.ndarray
    ranks: dict[str, np.ndarray]
    num_candidates: np.ndarray
    gates: np.ndarray


def rank_held_out(
    scorer: Scorer,
    sequences: Sequences,
    users: np.ndarray,
    *,
    stage: Stage,
    protocols: Sequence[str],
    num_items: int,
    counts: np.ndarray | None,
    seed: int,
    fixed: Fixed | None = None,
) -> HeldOut:
    """Score each user's history and rank the held-out item.

    Args:
        scorer: scores a list of histories, of users whom it may know.
        sequences: whole sequences of all users.
        users: (U,) who is evaluated.
        stage: "validation" or "test".
        protocols: names such as "full" and "uniform-99".
        num_items: V.
        counts: (V + 1,) training events per item, for "popularity-100".
        seed: of the run: it fixes the candidates.
        fixed: candidates of "ncf-99", the target first, 0 where there is none.
    """
    held_out = targets(sequences, stage)[users].astype(np.int64)
    order = np.argsort(sequences.lengths()[users], kind="stable")  # little padding in a batch
    ranks = {name: np.empty(len(users)) for name in protocols}
    sizes = np.empty(len(users), dtype=np.int64)
    gates: np.ndarray | None = None
    for start in range(0, len(users), BATCH):
        rows = order[start : start + BATCH]
        histories = [history(sequences, int(user), stage) for user in users[rows]]
        scored = scorer(histories, users[rows])
        seen = history_mask(histories, num_items)
        sizes[rows] = num_candidates(held_out[rows], seen)
        for name in protocols:
            if name == "full":
                ranks[name][rows] = ranks_of(scored.scores, held_out[rows], seen)
                continue
            if name == "ncf-99" and fixed is not None:
                drawn = fixed(users[rows], held_out[rows])
            else:
                drawn = candidates(
                    name,
                    users=users[rows],
                    histories=histories,
                    targets=held_out[rows],
                    num_items=num_items,
                    counts=counts,
                    seed=seed,
                    stage=stage,
                )
            chosen = np.take_along_axis(scored.scores, drawn, axis=1)
            ranks[name][rows] = candidate_ranks(chosen, drawn == 0)
        if gates is None:
            gates = np.empty((len(users), scored.gates.shape[1]), dtype=np.float32)
        gates[rows] = scored.gates
    empty = np.empty((len(users), 0), dtype=np.float32)
    return HeldOut(users, held_out, ranks, sizes, empty if gates is None else gates)


def popularity_scorer(counts: np.ndarray) -> Scorer:
    """Every user is offered what was seen most often in training: counts (V + 1,)."""

    def score(histories: Sequence[np.ndarray], users: np.ndarray | None = None) -> Scores:
        scores = np.broadcast_to(counts.astype(np.float64), (len(histories), len(counts)))
        return Scores(scores, np.empty((len(histories), 0), dtype=np.float32))

    return score
