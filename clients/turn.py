"""A client's turn: what it answers to a query, a train and an evaluate message.

Each turn is a pure function of the config, the message and the client's private file, so a
repeated turn gives the same bytes.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from clients.memory import Memory, joined_state, split_state
from fedrec.config import Config, names_in
from fedrec.data.partition import users_of
from fedrec.data.sequences import Sequences
from fedrec.data.splits import Stage
from fedrec.data.store import Dataset
from fedrec.errors import ConfigError
from fedrec.evaluation.held_out import HeldOut, Scorer, popularity_scorer, rank_held_out
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.models.parameters import (
    Groups,
    NamedArrays,
    anchor_of,
    arrays_of,
    groups_of,
    load_arrays,
    load_optimizer_arrays,
    optimizer_arrays,
)
from fedrec.models.recommender import Recommender
from fedrec.training.batches import num_targets
from fedrec.training.local import Fit, fit
from fedrec.workbench import (
    fixed_candidates,
    local_optimizer,
    make_loss,
    make_model,
    make_plan,
    open_data,
    open_table,
    partition_of,
    prepare_data,
)


@dataclass(frozen=True)
class Holding:
    """What one partition holds.

    Attributes:
        dataset: the prepared data.
        training: training parts of all users; only this partition's are read.
        users: (U,) global numbers of the partition's users.
        targets: training targets of one pass.
    """

    dataset: Dataset
    training: Sequences
    users: np.ndarray
    targets: int


def open_holding(config: Config, partition: int) -> Holding:
    """Open the data and find the users of a partition, once per process."""
    return _holding(config, partition, prepare_data(config))


@lru_cache(maxsize=16384)
def _holding(config: Config, partition: int, folder: Path) -> Holding:
    dataset, training = open_data(folder)
    users = users_of(partition_of(config, folder), partition)
    return Holding(dataset, training, users, num_targets(training, users, config.model.max_length))


def training_events(holding: Holding) -> np.ndarray:
    """(V + 1,) training events per item of this partition's users."""
    return np.bincount(
        holding.training.subset(holding.users).items,
        minlength=holding.dataset.catalog.num_items + 1,
    )


def train_turn(
    config: Config,
    holding: Holding,
    memory: Memory,
    weights: NamedArrays,
    frequency: np.ndarray,
    *,
    round: int,
    accepted: int,
    partition: int,
    proximal_mu: float,
    best: int = 0,
) -> tuple[NamedArrays, Fit]:
    """Train from the sent weights; return the new shared weights and what the fit did.

    Args:
        config: of the run.
        holding: the partition's data.
        memory: private files.
        weights: shared weights as sent, float32.
        frequency: (V + 1,) training events per item over all clients.
        round: number of this round.
        accepted: round whose private file to go on from, 0 for a fresh start.
        partition: number of the client.
        proximal_mu: weight of the FedProx term.
        best: round whose private file belongs to the best global model so far; it is kept.
    """
    model, groups = _model(config, holding, frequency)
    load_arrays(model, weights, groups.shared)
    keeps_state = config.local.optimizer_state == "keep"
    remembers = keeps_state or bool(groups.private)
    private, optimizer_state = split_state(memory.read(accepted) if remembers else {})
    if private:
        load_arrays(model, private, groups.private)
    optimizer = local_optimizer(config, model)
    if keeps_state:
        load_optimizer_arrays(model, optimizer, optimizer_state)
    done = fit(
        model,
        optimizer,
        make_loss(config, holding.training, holding.dataset.catalog.num_items),
        holding.training,
        holding.users,
        plan=make_plan(config, proximal_mu),
        seed=config.seed,
        round=round,
        partition=partition,
        anchor=anchor_of(model, groups.shared) if proximal_mu > 0 else None,
    )
    kept = joined_state(
        arrays_of(model, groups.private),
        optimizer_arrays(model, optimizer) if keeps_state else {},
    )
    if remembers:
        memory.write(round, kept, accepted, best)
    return arrays_of(model, groups.shared), done


def evaluate_turn(
    config: Config,
    holding: Holding,
    memory: Memory,
    weights: NamedArrays,
    frequency: np.ndarray,
    *,
    scorer: str,
    stage: Stage,
    protocols: tuple[str, ...],
    accepted: int,
    counts_are_shared: bool,
) -> tuple[HeldOut, np.ndarray | None]:
    """Rank the held-out items of the partition's users.

    Args:
        config: of the run.
        holding: the partition's data.
        memory: private files.
        weights: shared weights as sent; not read unless ``scorer`` is "model".
        frequency: (V + 1,) training events per item over all clients.
        scorer: "model", "popularity" or "best-possible" (embedded data only).
        stage: "validation" or "test".
        protocols: how the ranks are made.
        accepted: round whose private parameters make the personalised model.
        counts_are_shared: whether ``frequency`` holds anything.

    Returns:
        The ranks, and under the first protocol those of the personalised model, if there is one.
    """
    num_items = holding.dataset.catalog.num_items

    def ranked(scorer: Scorer) -> HeldOut:
        return rank_held_out(
            scorer,
            holding.dataset.sequences,
            holding.users,
            stage=stage,
            protocols=protocols,
            num_items=num_items,
            counts=frequency if counts_are_shared else None,
            seed=config.seed,
            fixed=fixed_candidates(config, holding.dataset),
        )

    if scorer == "popularity":
        return ranked(popularity_scorer(frequency)), None
    if scorer == "best-possible":
        return ranked(_best_possible(prepare_data(config))), None
    if scorer != "model":
        raise ConfigError(f"scorer must be model, popularity or best-possible, got {scorer!r}")
    model, groups = _model(config, holding, frequency)
    load_arrays(model, weights, groups.shared)
    result = ranked(model_scorer(model, num_items, config.model.max_length))
    if not groups.private or accepted == 0:
        return result, None
    private, _ = split_state(memory.read(accepted))
    load_arrays(model, private, groups.private)
    personal = ranked(model_scorer(model, num_items, config.model.max_length))
    return result, personal.ranks[protocols[0]]


def _model(config: Config, holding: Holding, frequency: np.ndarray) -> tuple[Recommender, Groups]:
    """The model of a run with nothing of an earlier turn in what stays private."""
    model, groups, private = _built(config, prepare_data(config), frequency.tobytes())
    load_arrays(model, private, groups.private)
    return model, groups


@lru_cache(maxsize=1)
def _built(
    config: Config, folder: Path, frequency: bytes
) -> tuple[Recommender, Groups, NamedArrays]:
    """Model, groups and initial private parameters: built once per process, loaded every turn."""
    catalog = open_data(folder)[0].catalog
    counts = np.frombuffer(frequency, dtype=np.int64)
    model = make_model(config, catalog, open_table(config, catalog), counts)
    groups = groups_of(model, names_in(config.model.private))
    return model, groups, arrays_of(model, groups.private)


@lru_cache(maxsize=1)
def _best_possible(folder: Path) -> Scorer:
    from fedrec.data.synthetic import best_possible_scorer

    return best_possible_scorer(open_data(folder)[0])
