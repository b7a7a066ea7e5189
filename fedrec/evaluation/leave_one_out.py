"""Leave-one-out evaluation: rank each user's held-out item by any scorer, under any protocols."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from fedrec.data.domains import Domains
from fedrec.data.genre_profiles import genre_jaccard
from fedrec.data.sequences import Sequences, history_mask
from fedrec.data.splits import Stage, history, targets, times_until
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.protocols import candidates
from fedrec.evaluation.ranking import candidate_ranks, num_candidates, ranks_of

BATCH = 128  # users scored together


class Scores(NamedTuple):
    """Scores of every item for B users, and their gate weights.

    Attributes:
        scores: (B, V + 1) Scores of every item as the next one.
        gates: (3, 32, 1 + N) Sums of the views' weights, see ``gates``; N is 0 without a gate.
    """

    scores: np.ndarray
    gates: np.ndarray


Fixed = Callable[[np.ndarray, np.ndarray], np.ndarray]  # users, targets -> candidates, 0 for none

EMPTY_HISTORY = np.zeros(1, dtype=np.int32)  # what a scorer gets for an empty history: padding


class Scorer(Protocol):
    """Score histories of B users; users and times are passed to models that need them."""

    def __call__(
        self,
        histories: Sequence[np.ndarray],
        users: np.ndarray | None = None,
        times: Sequence[np.ndarray] | None = None,
        /,
    ) -> Scores:
        """Score every item as the next one of each history.

        Args:
            histories: Histories of B users, none empty.
            users: (B,) Their numbers.
            times: (n + 1,) Times of each history and of the target behind it.
        """


@dataclass(frozen=True)
class HeldOutRanks:
    """Ranks of U users' held-out items.

    Attributes:
        users: (U,) Global numbers.
        targets: (U,) Held-out items.
        ranks: Protocol -> (U,) ranks; NaN where a user has too few items for sampled candidates.
        num_candidates: (U,) Items ranked under "full".
        gates: (3, 32, 1 + N) Sums of the views' weights over all that was read, see ``gates``.
        jaccard: (U, 2) Under the first protocol, see ``fedrec.data.genre_profiles.genre_jaccard``;
            none where no genres were given.
        positions: (U, 2, 6) Sums over every position, see ``fedrec.evaluation.further.positions``;
            none unless somebody has added them.
    """

    users: np.ndarray
    targets: np.ndarray
    ranks: dict[str, np.ndarray]
    num_candidates: np.ndarray
    gates: np.ndarray
    jaccard: np.ndarray | None = None
    positions: np.ndarray | None = None


def leave_one_out_ranks(
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
    domains: Domains | None = None,
    inputs: Sequences | None = None,
    with_times: bool = False,
    genres: np.ndarray | None = None,
) -> HeldOutRanks:
    """Score each user's history and rank the held-out item.

    Args:
        scorer: Scores a list of histories, of users whom it may know.
        sequences: Whole sequences of all users.
        users: (U,) Who is evaluated.
        stage: "validation" or "test".
        protocols: Names of protocols such as "full" and "uniform-99".
        num_items: V.
        counts: (V + 1,) Training events per item, for "popularity-100".
        seed: Seed of the run, which fixes the candidates.
        fixed: Candidates of "ncf-99", the target first, 0 where there is none.
        domains: Catalogue of each user, in a multi-domain source.
        inputs: Training view of all users, where a scenario hides events; whole histories without
            it. Hidden items of a history are no candidates either.
        with_times: Whether the scorer needs times.
        genres: (V + 1, G) Genres of the items, where those of the first one are compared.

    Raises:
        DataError: Times are needed and only the order of the events is known.
    """
    held_out = targets(sequences, stage)[users].astype(np.int64)
    order = np.argsort(sequences.lengths()[users], kind="stable")  # little padding in a batch
    ranks = {name: np.empty(len(users)) for name in protocols}
    sizes = np.empty(len(users), dtype=np.int64)
    gates = no_gates()
    jaccard = None if genres is None else np.empty((len(users), 2))
    for start in range(0, len(users), BATCH):
        rows = order[start : start + BATCH]
        histories = [history(sequences, int(user), stage) for user in users[rows]]
        chosen_users = users[rows]
        read = histories if inputs is None else _inputs_of(inputs, chosen_users)
        times = None
        if with_times:
            times = [_times_of(sequences, inputs, int(user), stage) for user in chosen_users]
        scored = scorer(read, chosen_users, times)
        seen = history_mask(histories, num_items)
        outside = None if domains is None else domains.outside(users[rows])
        if outside is not None:
            seen |= outside  # items of other domains are no candidates either
        sizes[rows] = num_candidates(held_out[rows], seen)
        for name in protocols:
            if name == "full":
                ranks[name][rows] = ranks_of(scored.scores, held_out[rows], seen)
                if jaccard is not None and genres is not None and name == protocols[0]:
                    numbers = np.arange(num_items + 1)
                    jaccard[rows] = genre_jaccard(
                        scored.scores, numbers, held_out[rows], seen, genres
                    )
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
                    outside=outside,
                )
            score = getattr(scorer, "score_candidates", None)  # of one that scores nothing else
            chosen = (
                np.take_along_axis(scored.scores, drawn, axis=1)
                if score is None
                else score(read, drawn)
            )
            ranks[name][rows] = candidate_ranks(chosen, drawn == 0)
            ranks[name][rows[drawn[:, 0] == 0]] = np.nan  # too few items to draw from
            if jaccard is not None and genres is not None and name == protocols[0]:
                jaccard[rows] = genre_jaccard(chosen, drawn, held_out[rows], drawn == 0, genres)
        gates = scored.gates if start == 0 else gates + scored.gates
    return HeldOutRanks(users, held_out, ranks, sizes, gates, jaccard)


def _inputs_of(inputs: Sequences, users: np.ndarray) -> list[np.ndarray]:
    """Inputs of each user in the training view; an empty one is padding, and still evaluated."""
    read = [inputs.of(int(user)) for user in users]
    return [items if len(items) else EMPTY_HISTORY for items in read]


def _times_of(
    sequences: Sequences, inputs: Sequences | None, user: int, stage: Stage
) -> np.ndarray:
    """Times (n + 1,) of what is read of a user and of the target behind it."""
    whole = times_until(sequences, user, stage)
    if inputs is None:
        return whole
    read = inputs.times_of(user)
    # Where nothing is read, padding stands at no time that tells of the question's.
    return np.append(read if len(read) else np.zeros(1, whole.dtype), whole[-1])
