"""``fedrec.compare``: complete runs, pooled over seeds and compared user by user."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fedrec.errors import ConfigError
from fedrec.report.comparison.files import write_comparison
from fedrec.report.comparison.found import Found
from fedrec.report.comparison.groups import NO_LABELS, bases_of, chosen_group, group_runs
from fedrec.report.comparison.measured import (
    Measured,
    fairness,
    group_figures,
    judge,
    measure,
    pair_figures,
)
from fedrec.report.comparison.sentences import notes
from fedrec.runs.record import Record, Run, load

_PAIR = (
    *("group", "against", "metric", "seeds", "users", "difference", "low", "high"),
    *("p_users", "p_users_and_seeds", "smallest_found", "p_holm", "verdict"),
)


class Comparison(Found):
    """Runs compared, as ``fedrec.compare`` returns them: see ``Found`` for its attributes."""

    def save(self, folder: str | Path) -> Path:
        """Write compare.csv, .md, .tex, .json, .html and the figures, and return the page's path.

        Args:
            folder: Folder to write to, made if it is not there; files of before are replaced.

        Raises:
            ResourceError: The folder cannot be written.
        """
        return write_comparison(self, Path(folder))


def compare(
    *runs: str | Path | Run | Sequence[str | Path | Run],
    against: str | None = None,
    metrics: Sequence[str] = (),
    unpaired: bool = False,
    within: Sequence[str] = (),
    labels: Mapping[Path, str] = NO_LABELS,
) -> Comparison:
    """Compare complete runs: seeds of one config pooled, configs compared user by user.

    Args:
        runs: Folders of runs, names of runs under ``$FEDREC_HOME/runs``, or runs; or a list.
        against: Label of the group that the others are compared with, a part of it, or the name
            of one of its runs; the group of the first run when None.
        metrics: Metrics to compare, such as ``["NDCG@10"]``; if empty, all that all runs have but
            AUC. Holm's correction is over all of them, so name those that were chosen beforehand.
        unpaired: Give figures of each group alone, for runs on other data, protocols or users.
        within: Dotted keys within whose values groups are compared: with ``["partition.alpha"]``,
            each group is compared with one of its own alpha: the one that is otherwise like the
            group that all are compared with without this.
        labels: Folder of a run -> what its config is called; by default, the keys in which
            configs differ.

    Returns:
        The comparison: the DataFrames ``table`` (means), ``pairs`` (differences and p-values) and
        ``fairness`` (spread over users and clients); ``statements`` and ``notes`` in words; and
        ``save(folder)``, which writes tables, figures and a page.

    Raises:
        ConfigError: A run is not complete or comes twice, a name or key is none, or runs cannot be
            paired since they differ in data, protocol, users or held-out items.
        DataError: No run folder, or a damaged file in it.
    """
    listed: list[Any] = []
    for one in runs:
        listed += [one] if isinstance(one, str | Path | Run) else list(one)
    groups = group_runs((one if isinstance(one, Run) else load(one) for one in listed), labels)
    if unpaired and (against is not None or within):
        option = "--within" if against is None else "--against"
        raise ConfigError(f"--unpaired compares no pairs; leave out {option} or --unpaired")
    if against is not None:
        base = chosen_group(groups, against)
        groups = [base, *(group for group in groups if group is not base)]
    bases = bases_of(groups, within)
    measured, compared = measure(groups, metrics)
    pairs = [] if unpaired else _pairs(measured, compared, bases)
    return Comparison(
        groups=groups,
        table=pd.DataFrame([row for one in measured for row in group_figures(one, compared)]),
        pairs=pd.DataFrame(pairs, columns=list(_PAIR)),
        fairness=pd.DataFrame([row for one in measured for row in fairness(one)]),
        notes=notes(groups, pairs, compared, unpaired=unpaired),
    )


def _pairs(
    measured: Sequence[Measured], metrics: Sequence[str], bases: Sequence[int]
) -> list[Record]:
    rows: list[Record] = []
    for place, own in enumerate(measured):
        if (base := measured[bases[place]]) is not own:
            rows += pair_figures(own, base, metrics)
    judge(rows)
    return rows
