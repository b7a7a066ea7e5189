"""From a run config to the metrics of its evaluations, and to who is evaluated."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fedrec.config.config import Config
from fedrec.data.evaluated import evaluated_users
from fedrec.data.splits import Stage
from fedrec.evaluation.leave_one_out import Scorer
from fedrec.evaluation.metrics import UserMetric
from fedrec.evaluation.user_metrics import load_user_metrics
from fedrec.models.recommender import Recommender


def user_metrics(config: Config) -> Mapping[str, UserMetric]:
    """The user's own metrics by name, imported once per process.

    Raises:
        ConfigError: One cannot be imported or called, or has the name of another metric.
    """
    return _loaded(config.evaluation.user_metrics)


@lru_cache(maxsize=4)
def _loaded(names: tuple[str, ...]) -> Mapping[str, UserMetric]:
    return load_user_metrics(names)


def title_scorer(model: Recommender, num_items: int) -> Scorer:
    """The scorer of a language model, which ranks candidates by their titles."""
    from fedrec.llm.lora.objective import TitleScorer
    from fedrec.llm.lora.recommender import LoraRecommender

    assert isinstance(model, LoraRecommender)
    return TitleScorer(model, num_items)


def evaluated(config: Config, num_users: int, stage: Stage) -> NDArray[np.bool_]:
    """Whether each of the data's users (U,) is evaluated at a stage; on server and clients alike.

    Args:
        config: Config of the run.
        num_users: U, users of the data.
        stage: "validation" or "test".

    Raises:
        ConfigError: More users than there are, or a share of them that is none.
    """
    return evaluated_users(
        num_users,
        stage,
        seed=config.seed,
        unseen=config.scenario.unseen_users,
        sample=config.evaluation.users,
        validation=config.evaluation.validation_users,
    )
