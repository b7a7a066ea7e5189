"""Local training of a partition: one round from the weights that the server sent.

A pure function of the config, the message and the client's private file, so that a repeated
message gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clients.local_data import LocalData
from clients.model import fresh_model, load_sent
from clients.private_state import PrivateState, joined_state, split_state
from fedrec.config.config import Config
from fedrec.errors import TrainingError
from fedrec.factory.training import local_optimizer, make_loss, make_plan
from fedrec.models.parameters import (
    NamedArrays,
    anchor_of,
    arrays_of,
    load_arrays,
    load_optimizer_arrays,
    optimizer_arrays,
)
from fedrec.training.local import FitResult, fit


@dataclass(frozen=True, kw_only=True)
class PartitionTraining:
    """The result of one round of local training.

    Attributes:
        weights: The new shared weights.
        fit: Mean loss, targets and steps.
        private_digest: Sha256 of the private file of this round; empty if the client keeps nothing.
    """

    weights: NamedArrays
    fit: FitResult
    private_digest: str


def train_partition(
    config: Config,
    data: LocalData,
    state: PrivateState,
    weights: NamedArrays,
    frequency: np.ndarray,
    *,
    round: int,
    accepted: int,
    private_digest: str = "",
    keep: Sequence[int] = (),
    partition: int,
    proximal_mu: float,
) -> PartitionTraining:
    """Train for one round from the sent weights; store what stays on the client.

    Args:
        config: Config of the run.
        data: Training data of the partition.
        state: Store of the client's private files.
        weights: Shared weights as sent, float32.
        frequency: (V + 1,) Training events per item over all clients.
        round: Number of this round.
        accepted: Round whose private file to go on from, 0 for a fresh start.
        private_digest: Sha256 of that file.
        keep: Other rounds whose private files are still needed.
        partition: Number of the client.
        proximal_mu: Weight of the FedProx term.

    Raises:
        MessageError: Weights that are not those of the model here.
        ResourceError: The private file is another one or cannot be written.
        TrainingError: The loss, or what would be kept, is not finite; nothing is written.
    """
    model, groups = fresh_model(config, data, frequency)
    load_sent(model, weights, groups)
    keeps_optimizer = config.local.optimizer_state == "keep"
    is_stateful = keeps_optimizer or bool(groups.private)
    parameters, optimizer_state = split_state(
        state.read(accepted, private_digest) if is_stateful else {}
    )
    if parameters:
        load_arrays(model, parameters, groups.private)
    optimizer = local_optimizer(config, model)
    if keeps_optimizer:
        load_optimizer_arrays(model, optimizer, optimizer_state)
    done = fit(
        model,
        optimizer,
        make_loss(
            config,
            data.training,
            data.dataset.catalog.num_items,
            data.dataset.domains,
        ),
        data.training,
        data.users,
        plan=make_plan(config, proximal_mu),
        seed=config.seed,
        round=round,
        partition=partition,
        anchor=anchor_of(model, groups.shared) if proximal_mu > 0 else None,
    )
    kept = joined_state(
        arrays_of(model, groups.private),
        optimizer_arrays(model, optimizer) if keeps_optimizer else {},
    )
    _check_finite(kept)
    written = state.write(round, kept, {accepted, *keep}) if is_stateful else ""
    return PartitionTraining(
        weights=arrays_of(model, groups.shared), fit=done, private_digest=written
    )


def _check_finite(kept: NamedArrays) -> None:
    """Refuse a state that no later round could recover from, however good its weights look."""
    for name, array in kept.items():
        if not np.isfinite(array).all():
            raise TrainingError(
                f"its training diverged: private {name!r} holds NaN or infinity; "
                "lower local.learning-rate or set local.clip-norm"
            )
