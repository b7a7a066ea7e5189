"""From a run config to the metrics of its evaluations."""

from collections.abc import Mapping
from functools import lru_cache

from fedrec.config.config import Config
from fedrec.evaluation.metrics import UserMetric
from fedrec.evaluation.user_metrics import load_user_metrics


def user_metrics(config: Config) -> Mapping[str, UserMetric]:
    """The user's own metrics by name, imported once per process.

    Raises:
        ConfigError: One cannot be imported or called, or has the name of another metric.
    """
    return _loaded(config.evaluation.user_metrics)


@lru_cache(maxsize=4)
def _loaded(names: tuple[str, ...]) -> Mapping[str, UserMetric]:
    return load_user_metrics(names)
