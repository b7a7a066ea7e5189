"""A client's turn: what it answers to a query, a train and an evaluate message.

Each turn is a pure function of the config, the message and the client's private file, so a
repeated turn gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from clients.baselines import plain_scorer
from clients.model import fresh_model, load_sent
from clients.private_state import Memory, joined_state, split_state
from fedrec.baselines.names import ORACLE
from fedrec.config.config import Config
from fedrec.data.partition import users_of
from fedrec.data.scenarios import Seen
from fedrec.data.sequences import Sequences
from fedrec.data.splits import Stage
from fedrec.data.store import Dataset
from fedrec.errors import TrainingError
from fedrec.evaluation.leave_one_out import HeldOut, Scorer, rank_held_out
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.checks import check_times
from fedrec.factory.data import (
    fixed_candidates,
    followed,
    open_data,
    partition_of,
    prepare_data,
    seen_of,
)
from fedrec.factory.training import local_optimizer, make_loss, make_plan
from fedrec.models.parameters import (
    NamedArrays,
    anchor_of,
    arrays_of,
    load_arrays,
    load_optimizer_arrays,
    optimizer_arrays,
)
from fedrec.training.batches import num_targets
from fedrec.training.local import Fit, fit


@dataclass(frozen=True, eq=False)  # one of a kind, so that it can be the key of a cache
class Holding:
    """What one partition holds.

    Attributes:
        dataset: the prepared data.
        seen: what models get to see of all users, the training parts as the model is trained on
            them; only this partition's are read.
        users: (U,) global numbers of the partition's users.
        targets: (U,) training targets of one pass over each user.
    """

    dataset: Dataset
    seen: Seen
    users: np.ndarray
    targets: np.ndarray

    @property
    def training(self) -> Sequences:
        """Training parts of all users."""
        return self.seen.training


@dataclass(frozen=True)
class Trained:
    """What a train turn made.

    Attributes:
        weights: the new shared weights.
        fit: mean loss, targets and steps.
        private: sha256 of the private file of this round; empty if the client keeps nothing.
    """

    weights: NamedArrays
    fit: Fit
    private: str


def open_holding(config: Config, partition: int) -> Holding:
    """Open the data and find the users of a partition, once per process."""
    return _holding(config, partition, prepare_data(config))


@lru_cache(maxsize=16384)
def _holding(config: Config, partition: int, folder: Path) -> Holding:
    dataset, seen = open_data(folder)[0], followed(config, seen_of(config, folder))
    check_times(config, dataset)
    users = users_of(partition_of(config, folder), partition)
    targets = num_targets(seen.training, users, config.model.max_length, config.local.windows)
    return Holding(dataset, seen, users, targets)


def training_events(holding: Holding) -> np.ndarray:
    """(V + 1,) training events per item of this partition's users."""
    counts = np.bincount(
        holding.training.subset(holding.users).items,
        minlength=holding.dataset.catalog.num_items + 1,
    )
    counts[0] = 0  # padding is no event
    return counts


def train_turn(
    config: Config,
    holding: Holding,
    memory: Memory,
    weights: NamedArrays,
    frequency: np.ndarray,
    *,
    round: int,
    accepted: int,
    private: str = "",
    keep: Sequence[int] = (),
    partition: int,
    proximal_mu: float,
) -> Trained:
    """Train from the sent weights and keep what stays here in a private file.

    Args:
        config: of the run.
        holding: the partition's data.
        memory: private files.
        weights: shared weights as sent, float32.
        frequency: (V + 1,) training events per item over all clients.
        round: number of this round.
        accepted: round whose private file to go on from, 0 for a fresh start.
        private: sha256 of that file.
        keep: other rounds whose private files are still needed.
        partition: number of the client.
        proximal_mu: weight of the FedProx term.

    Raises:
        MessageError: weights that are not those of the model here.
        ResourceError: the private file is another one or cannot be written.
        TrainingError: the loss, or what would be kept, is not finite; nothing is written.
    """
    model, groups = fresh_model(config, frequency, holding.users)
    load_sent(model, weights, groups)
    keeps_state = config.local.optimizer_state == "keep"
    remembers = keeps_state or bool(groups.private)
    parameters, optimizer_state = split_state(memory.read(accepted, private) if remembers else {})
    if parameters:
        load_arrays(model, parameters, groups.private)
    optimizer = local_optimizer(config, model)
    if keeps_state:
        load_optimizer_arrays(model, optimizer, optimizer_state)
    done = fit(
        model,
        optimizer,
        make_loss(
            config,
            holding.training,
            holding.dataset.catalog.num_items,
            holding.dataset.domains,
        ),
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
    _check_finite(kept)
    written = memory.write(round, kept, {accepted, *keep}) if remembers else ""
    return Trained(arrays_of(model, groups.shared), done, written)


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
    private: str = "",
    counts_are_shared: bool,
) -> tuple[HeldOut, np.ndarray | None]:
    """Rank the held-out items of the partition's users.

    Args:
        config: of the run.
        holding: the partition's data.
        memory: private files.
        weights: shared weights as sent; not read unless ``scorer`` is "model".
        frequency: (V + 1,) training events per item over all clients.
        scorer: "model" or one of ``fedrec.baselines.names.SCORERS``.
        stage: "validation" or "test".
        protocols: how the ranks are made.
        accepted: round whose private parameters make the personalised model.
        private: sha256 of the private file that holds them.
        counts_are_shared: whether ``frequency`` holds anything.

    Returns:
        The ranks, and under the first protocol those of the personalised model, if there is one.
    """
    num_items = holding.dataset.catalog.num_items

    read = holding.seen.before(stage)

    def ranked(scorer: Scorer, inputs: Sequences | None, *, with_times: bool = False) -> HeldOut:
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
            domains=holding.dataset.domains,
            inputs=inputs,
            with_times=with_times,
        )

    def by_model() -> HeldOut:
        scorer = model_scorer(model, num_items, config.model.max_length)
        return ranked(scorer, read, with_times=model.needs_times)

    if scorer != "model":
        # No scenario bounds what is possible: it reads the whole histories.
        inputs = None if scorer == ORACLE else read
        return ranked(plain_scorer(scorer, config, holding, frequency), inputs), None
    model, groups = fresh_model(config, frequency, holding.users)
    load_sent(model, weights, groups)
    if not groups.private or accepted == 0:
        return by_model(), None
    result = by_model() if config.model.is_personalised else None
    load_arrays(model, split_state(memory.read(accepted, private))[0], groups.private)
    own = by_model()
    return (own, None) if result is None else (result, own.ranks[protocols[0]])


def _check_finite(kept: NamedArrays) -> None:
    """Refuse a state that no later round could recover from, however good its weights look."""
    for name, array in kept.items():
        if not np.isfinite(array).all():
            raise TrainingError(
                f"its training diverged: private {name!r} holds NaN or infinity; "
                "lower local.learning-rate or set local.clip-norm"
            )
