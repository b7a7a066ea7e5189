"""Evaluation on a client: ranks of the held-out items of a partition's users.

A pure function of the config, the message and the client's private file, so that a repeated
message gives the same bytes.
"""

import dataclasses

import numpy as np

from clients.baselines import plain_scorer
from clients.local_data import LocalData
from clients.model import fresh_model, load_sent
from clients.private_state import PrivateState, split_state
from fedrec.baselines.names import ORACLE
from fedrec.config.config import Config
from fedrec.data.sequences import Sequences
from fedrec.data.splits import Stage
from fedrec.evaluation.further.positions import position_sums
from fedrec.evaluation.leave_one_out import HeldOutRanks, Scorer, leave_one_out_ranks
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.evaluation import evaluated, title_scorer
from fedrec.models.parameters import NamedArrays, load_arrays


def evaluate(
    config: Config,
    data: LocalData,
    state: PrivateState,
    weights: NamedArrays,
    frequency: np.ndarray,
    *,
    scorer: str,
    stage: Stage,
    protocols: tuple[str, ...],
    further: bool,
    accepted: int,
    private_digest: str = "",
    counts_are_shared: bool,
) -> tuple[HeldOutRanks, np.ndarray | None]:
    """Rank the held-out items of those of the partition's users who are evaluated.

    Args:
        config: Config of the run.
        data: Training data of the partition.
        state: Store of the client's private files.
        weights: Shared weights as sent; not read unless ``scorer`` is "model".
        frequency: (V + 1,) Training events per item over all clients.
        scorer: "model" or one of ``fedrec.baselines.names.SCORERS``.
        stage: "validation" or "test".
        protocols: Evaluation protocols of the ranks.
        further: Whether genres are compared and every position is evaluated, if the config asks.
        accepted: Round whose private parameters make the personalised model.
        private_digest: Sha256 of the private file that holds them.
        counts_are_shared: Whether ``frequency`` holds anything.

    Returns:
        The ranks, and under the first protocol those of the personalised model, if there is one.
    """
    num_items = data.dataset.catalog.num_items

    read = data.view.before(stage)
    is_evaluated = evaluated(config, data.dataset.sequences.num_users, stage)
    users = data.users[is_evaluated[data.users]]

    evaluation = config.evaluation
    first = evaluation.positions_from if further else 0
    genres = data.prepared.genres if further and evaluation.genre_jaccard else None

    def ranks_of(
        scorer: Scorer, inputs: Sequences | None, *, with_times: bool = False
    ) -> HeldOutRanks:
        found = leave_one_out_ranks(
            scorer,
            data.dataset.sequences,
            users,
            stage=stage,
            protocols=protocols,
            num_items=num_items,
            counts=frequency if counts_are_shared else None,
            seed=config.seed,
            fixed=data.prepared.fixed_candidates,
            domains=data.dataset.domains,
            inputs=inputs,
            with_times=with_times,
            genres=genres,
        )
        if not first:
            return found
        whole = data.dataset.sequences
        sums = position_sums(scorer, whole, users, first=first, num_items=num_items)
        return dataclasses.replace(found, positions=sums)

    def by_model() -> HeldOutRanks:
        if config.model.name == "lora":
            return ranks_of(title_scorer(model, num_items), read)
        scorer = model_scorer(model, num_items, config.model.max_length)
        return ranks_of(scorer, read, with_times=model.needs_times)

    if scorer != "model":
        # No scenario bounds what is possible: it reads the whole histories.
        inputs = None if scorer == ORACLE else read
        return ranks_of(plain_scorer(scorer, data, frequency), inputs), None
    model, groups = fresh_model(config, data, frequency)
    load_sent(model, weights, groups)
    model.personalise()
    if not groups.private or accepted == 0:
        return by_model(), None
    result = by_model() if config.model.is_personalised else None
    load_arrays(model, split_state(state.read(accepted, private_digest))[0], groups.private)
    own = by_model()
    return (own, None) if result is None else (result, own.ranks[protocols[0]])
