"""``fedrec.compare``: complete runs, pooled over seeds and compared user by user."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fedrec.errors import ConfigError
from fedrec.report.ablation.columns import short
from fedrec.report.comparison.groups import Group, chosen_group, group_runs
from fedrec.report.comparison.measured import (
    Measured,
    fairness,
    group_figures,
    judge,
    measure,
    pair_figures,
)
from fedrec.report.comparison.sentences import notes, statements
from fedrec.report.comparison.sheets import Sheet, sheets
from fedrec.report.ranks import MAIN
from fedrec.runs.record import Record, Run, load

_PAIR = (
    *("group", "against", "metric", "seeds", "users", "difference", "low", "high"),
    *("p_users", "p_users_and_seeds", "smallest_found", "p_holm", "verdict"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Runs compared, as ``fedrec.compare`` returns them.

    Attributes:
        groups: The runs by config, the one that the others are compared with first.
        table: A row for each group and metric: seeds, users, value, low, high, sd_seeds.
        pairs: A row for each pair and metric: difference, low, high, p_users,
            p_users_and_seeds (of three seeds or more), p_holm, smallest_found, verdict.
        fairness: A row for each group and metric: worst decile and Gini coefficient of users,
            percentiles and worst decile of clients.
        notes: How the figures are to be read.
    """

    groups: Sequence[Group]
    table: pd.DataFrame
    pairs: pd.DataFrame
    fairness: pd.DataFrame
    notes: Sequence[str] = field(default=())

    def __repr__(self) -> str:
        """One line, as a notebook shows it."""
        main = self.table[self.table["metric"] == self.main]
        values = ", ".join(
            f"{group} {short(value)}"
            for group, value in zip(main["group"], main["value"], strict=True)
        )
        runs = sum(len(group.runs) for group in self.groups)
        return f"<Comparison of {runs} runs in {len(self.groups)} groups: {self.main} {values}>"

    @property
    def main(self) -> str:
        """The metric that is told first: NDCG@10, if it was compared."""
        metrics = list(self.table["metric"])
        return MAIN if MAIN in metrics else str(metrics[0])

    @property
    def statements(self) -> list[str]:
        """What was found, a sentence for each pair, on the main metric."""
        rows = [{name: row[name] for name in _PAIR} for _, row in self.pairs.iterrows()]
        return statements(rows, self.main)

    @property
    def sheets(self) -> list[Sheet]:
        """The tables, as every file shows them."""
        settings = {group.label: group.settings for group in self.groups}
        return sheets(self.table, self.pairs, self.fairness, settings)

    def save(self, folder: str | Path) -> Path:
        """Write compare.csv, .md, .tex, .json, .html and the figures, and return the page's path.

        Args:
            folder: Folder to write to, made if it is not there; files of before are replaced.

        Raises:
            ResourceError: The folder cannot be written.
        """
        from fedrec.report.comparison.files import write_comparison

        return write_comparison(self, Path(folder))


def compare(
    *runs: str | Path | Run | Sequence[str | Path | Run],
    against: str | None = None,
    metrics: Sequence[str] = (),
    unpaired: bool = False,
) -> Comparison:
    """Compare complete runs: seeds of one config pooled, configs compared user by user.

    Args:
        runs: Folders of runs, names of runs under ``$FEDREC_HOME/runs``, or runs; or a list.
        against: Label of the group that the others are compared with, a part of it, or the name
            of one of its runs; the group of the first run when None.
        metrics: Metrics to compare, such as ``["NDCG@10"]``; all that ranks give if empty. Holm's
            correction is over all of them, so name those that were chosen beforehand.
        unpaired: Give figures of each group alone, for runs on other data, protocols or users.

    Raises:
        ConfigError: A run is not complete or comes twice, a name is none, or runs cannot be
            paired since they differ in data, protocol, users or held-out items.
        DataError: No run folder, or a damaged file in it.
    """
    listed: list[Any] = []
    for one in runs:
        listed += [one] if isinstance(one, str | Path | Run) else list(one)
    groups = group_runs(one if isinstance(one, Run) else load(one) for one in listed)
    if against is not None:
        if unpaired:
            raise ConfigError("--unpaired compares no pairs; leave out --against or --unpaired")
        base = chosen_group(groups, against)
        groups = [base, *(group for group in groups if group is not base)]
    measured, compared = measure(groups, metrics)
    pairs = [] if unpaired else _pairs(measured, compared)
    return Comparison(
        groups=groups,
        table=pd.DataFrame([row for one in measured for row in group_figures(one, compared)]),
        pairs=pd.DataFrame(pairs, columns=list(_PAIR)),
        fairness=pd.DataFrame([row for one in measured for row in fairness(one)]),
        notes=notes(groups, pairs, compared, unpaired=unpaired),
    )


def _pairs(measured: Sequence[Measured], metrics: Sequence[str]) -> list[Record]:
    base, *others = measured
    rows = [row for own in others for row in pair_figures(own, base, metrics)]
    judge(rows)
    return rows
