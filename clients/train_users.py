"""Local training of one-user clients: the sampled users of a partition train side by side.

The reply is the sum of their weighted updates, and which of them are in it. A pure function of
the config and the message: users keep nothing between rounds.
"""

import numpy as np

from clients.local_data import LocalData
from clients.model import fresh_model, load_sent
from fedrec.config.config import Config
from fedrec.errors import MessageError
from fedrec.factory.training import make_cohort_loss, make_cohort_plan
from fedrec.models.parameters import NamedArrays
from fedrec.training.cohort.train import train_cohort
from fedrec.training.cohort.update import CohortUpdate
from fedrec.training.frozen_buffers import frozen_buffers


def train_users(
    config: Config,
    data: LocalData,
    weights: NamedArrays,
    frequency: np.ndarray,
    users: np.ndarray,
    *,
    round: int,
    proximal_mu: float,
) -> CohortUpdate:
    """Train the sampled users from the sent weights and sum their weighted updates.

    Users whose training breaks are named in what is returned, even if they are all there are.

    Args:
        config: Config of the run.
        data: Training data of the partition.
        weights: Shared weights as sent, float32.
        frequency: (V + 1,) Training events per item over all clients.
        users: (n,) Global numbers of the sampled users, ascending, all of this partition.
        round: Number of this round.
        proximal_mu: Weight of the FedProx term.

    Raises:
        MessageError: Users who are not here, or weights that are not those of the model here.
    """
    indices = np.searchsorted(data.users, users).clip(max=len(data.users) - 1)
    if not len(users) or (data.users[indices] != users).any() or (np.diff(users) <= 0).any():
        raise MessageError("the message names users twice, none, or some who are not held here")
    model, groups = fresh_model(config, data, frequency)
    load_sent(model, weights, groups)
    with frozen_buffers(model):
        return train_cohort(
            model,
            data.training,
            users,
            plan=make_cohort_plan(config, proximal_mu),
            loss=make_cohort_loss(config, data.dataset.catalog.num_items),
            seed=config.seed,
            round=round,
        )
