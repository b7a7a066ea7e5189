"""A client's turn where every user is a client: the chosen users train side by side.

What leaves is the sum of their weighted updates, and which of them are in it. A pure function of
the config and the message: users keep nothing between rounds.
"""

import numpy as np

from clients.model import fresh_model, load_sent
from clients.train_partition import Holding
from fedrec.config.config import Config
from fedrec.errors import MessageError
from fedrec.factory.training import make_cohort_loss, make_cohort_plan
from fedrec.models.parameters import NamedArrays
from fedrec.training.cohort.train import train_cohort
from fedrec.training.cohort.update import CohortUpdate


def train_users_turn(
    config: Config,
    holding: Holding,
    weights: NamedArrays,
    frequency: np.ndarray,
    users: np.ndarray,
    *,
    round: int,
    proximal_mu: float,
) -> CohortUpdate:
    """Train the chosen users from the sent weights and sum their updates up.

    Users whose training breaks are named in what is returned, even if they are all there are.

    Args:
        config: of the run.
        holding: the partition's data.
        weights: shared weights as sent, float32.
        frequency: (V + 1,) training events per item over all clients.
        users: (n,) global numbers of the chosen users, ascending, all of this partition.
        round: number of this round.
        proximal_mu: weight of the FedProx term.

    Raises:
        MessageError: users who are not here, or weights that are not those of the model here.
    """
    place = np.searchsorted(holding.users, users).clip(max=len(holding.users) - 1)
    if not len(users) or (holding.users[place] != users).any() or (np.diff(users) <= 0).any():
        raise MessageError("the message names users twice, none, or some who are not held here")
    model, groups = fresh_model(config, frequency, holding.users)
    load_sent(model, weights, groups)
    return train_cohort(
        model,
        holding.training,
        users,
        plan=make_cohort_plan(config, proximal_mu),
        loss=make_cohort_loss(config, holding.dataset.catalog.num_items),
        seed=config.seed,
        round=round,
    )
