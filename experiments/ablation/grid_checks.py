"""Which cells of the grid of `fedrec ablate` can be, told before the first of them is trained."""

import dataclasses
from collections.abc import Sequence

from experiments.ablation.grid import FEDERATED, Cell, Group, run_config
from experiments.references.references import check_reference
from fedrec.config.config import Config
from fedrec.config.keys import flatten, toml_value
from fedrec.errors import ConfigError, DataError
from fedrec.factory.checks import check_fit


def check_base(base: Config) -> None:
    """Refuse a preset whose cells would not be what they are called.

    Raises:
        ConfigError: it is no hybrid, has its meanings shuffled, or a scenario.
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
            "without it: the groups cold, few-shot, sparse, short, table and comparison set it"
        )


def checked(base: Config, groups: Sequence[Group]) -> list[Group]:
    """The groups, with the cells refused that do not go with the data; each run is tried once."""
    refused: dict[str, str] = {}

    def tried(cell: Cell) -> Cell:
        if cell.refused:
            return cell
        if cell.folder not in refused:
            try:
                check_run(base, cell)
                refused[cell.folder] = ""
            except (ConfigError, DataError) as error:
                refused[cell.folder] = " ".join(str(error).split())
        return dataclasses.replace(cell, refused=refused[cell.folder])

    return [dataclasses.replace(g, cells=tuple(map(tried, g.cells))) for g in groups]


def check_run(base: Config, cell: Cell) -> None:
    """Refuse a cell that data or machine do not allow.

    Raises:
        FedrecError: as ``fedrec.factory.checks.check_fit``.
    """
    config = run_config(base, cell)
    if cell.kind == FEDERATED:
        check_fit(config)
    else:
        check_reference(cell.kind, config)
