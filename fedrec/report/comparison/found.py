"""What a comparison found: the record that every file is written from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from fedrec.notebook.card import card
from fedrec.report.ablation.columns import short
from fedrec.report.comparison.groups import Group
from fedrec.report.comparison.sentences import statements
from fedrec.report.comparison.sheets import Sheet, records, sheets
from fedrec.report.ranks import MAIN


@dataclass(frozen=True, eq=False, repr=False)
class Found:
    """Runs compared: their groups, figures and words.

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

    def _repr_html_(self) -> str:
        """The sentences and the tables, for a notebook."""
        runs = sum(len(group.runs) for group in self.groups)
        tables = [
            frame.to_html(index=False, border=0, float_format=short)
            for frame in (self.table, self.pairs)
            if len(frame)
        ]
        title = f"Comparison of {runs} runs in {len(self.groups)} groups"
        return card(title, {}, [*self.statements, *self.notes], tables)

    @property
    def main(self) -> str:
        """The metric that is told first: NDCG@10, if it was compared."""
        metrics = list(self.table["metric"])
        return MAIN if MAIN in metrics else str(metrics[0])

    @property
    def statements(self) -> list[str]:
        """What was found, a sentence for each pair, on the main metric."""
        return statements(records(self.pairs), self.main)

    @property
    def sheets(self) -> list[Sheet]:
        """The tables, as every file shows them."""
        settings = {group.label: group.settings for group in self.groups}
        return sheets(self.table, self.pairs, self.fairness, settings)
