"""Find the ablation tasks to skip, with the reason, before the first of them is trained."""

import dataclasses
from collections.abc import Sequence

from experiments.ablation.grid import AblationTask, Group, run_config
from experiments.baselines.run import check_baseline
from experiments.sweep.planned import FEDERATED
from fedrec.config.config import Config
from fedrec.config.keys import flatten, toml_value
from fedrec.errors import ConfigError, DataError
from fedrec.factory.checks import check_fit


def check_base(base: Config) -> None:
    """Check that the preset is a hybrid without the changes that groups make themselves.

    Raises:
        ConfigError: The model is no hybrid, its semantic embeddings are shuffled, or it has
            a scenario.
    """
    usual = flatten(Config())
    wrong = {
        key: value
        for key, value in flatten(base).items()
        if (key.startswith("scenario.") or key in ("model.name", "semantics.shuffled"))
        and value != usual[key]
    }
    if wrong:
        shown = ", ".join(f"{key} = {toml_value(value)}" for key, value in wrong.items())
        raise ConfigError(
            f"an ablation changes a hybrid without a scenario, but here is {shown}; use a preset "
            "without it: the groups cold, few-shot, sparse, short, table and baselines set it"
        )


def checked(base: Config, groups: Sequence[Group]) -> list[Group]:
    """Mark the tasks that do not go with the data as skipped; each run is checked once."""
    skipped: dict[str, str] = {}

    def tried(task: AblationTask) -> AblationTask:
        if task.skipped:
            return task
        if task.folder not in skipped:
            try:
                check_run(base, task)
                skipped[task.folder] = ""
            except (ConfigError, DataError) as error:
                skipped[task.folder] = " ".join(str(error).split())
        return dataclasses.replace(task, skipped=skipped[task.folder])

    return [dataclasses.replace(g, tasks=tuple(map(tried, g.tasks))) for g in groups]


def check_run(base: Config, task: AblationTask) -> None:
    """Refuse a task that data or machine do not allow.

    Raises:
        FedrecError: As for ``fedrec.factory.checks.check_fit``.
    """
    config = run_config(base, task)
    if task.kind == FEDERATED:
        check_fit(config)
    else:
        check_baseline(task.kind, config)
