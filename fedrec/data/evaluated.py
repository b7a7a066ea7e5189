"""Who is evaluated at a stage: everybody, users whom no training has seen, or a seeded sample."""

import numpy as np
from numpy.typing import NDArray

from fedrec.data.scenarios import unseen_users
from fedrec.data.splits import Stage
from fedrec.errors import ConfigError
from fedrec.randomness import generator


def evaluated_users(
    num_users: int,
    stage: Stage,
    *,
    seed: int,
    unseen: float = 0.0,
    sample: int = 0,
    validation: int = 0,
) -> NDArray[np.bool_]:
    """Whether each user of the data is evaluated at a stage, (U,).

    It hangs on seed, number of users and these settings alone, so that runs of one seed rank the
    same users and can be compared user by user. Those of a smaller sample are among those of a
    larger one, and validation and test have the same, unless ``unseen`` gives each users of its
    own.

    Args:
        num_users: U, users of the data.
        stage: "validation" or "test".
        seed: Seed of the run.
        unseen: ``scenario.unseen-users``: users of a stage's own that no training sees.
        sample: ``evaluation.users``: how many of them are drawn; 0 for all.
        validation: ``evaluation.validation-users``: how many are validated on at most; 0 for all.

    Raises:
        ConfigError: A sample of more users than there are, or a share that is none.
    """
    able = np.ones(num_users, dtype=bool)
    if unseen:
        able = unseen_users(unseen, seed=seed, num_users=num_users)[stage]
    limits = {"evaluation.users": sample}
    if stage == "validation":
        limits["evaluation.validation-users"] = validation
    for key, limit in limits.items():
        if limit > able.sum():
            raise ConfigError(
                f"{key} is {limit}, but {int(able.sum())} users are evaluated at {stage}; lower "
                "it, or set it to 0 for all"
            )
    asked = [limit for limit in limits.values() if limit]
    if not asked:
        return able
    order = generator(seed, "evaluation", "users").permutation(num_users)
    drawn = np.zeros(num_users, dtype=bool)
    drawn[order[able[order]][: min(asked)]] = True
    return drawn
