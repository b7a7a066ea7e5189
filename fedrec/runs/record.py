"""Read a run folder back as one record.

Everything here is plain JSON, TOML and CSV, so that a folder can be copied to another machine
and read there without torch, without an engine and without the data.
"""

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fedrec.config.values.checks import one_of, refuse
from fedrec.config.values.choices import names_in, protocol_suffix
from fedrec.errors import DataError
from fedrec.files.home import home
from fedrec.notebook.card import card
from fedrec.runs.checksums import check_config, check_files, check_seal
from fedrec.runs.contents import content_of, parse_json, read_toml
from fedrec.runs.facts import run_facts
from fedrec.runs.frames import rounds_frame
from fedrec.runs.kinds import ABOUT_KINDS, ROUND_KINDS, check_kinds
from fedrec.runs.users import users_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = 2  # of a run folder, in its run.json: raise when a file or a field of one changes
COMPLETE = ("done", "degraded")
STATUSES = (*COMPLETE, "failed", "interrupted", "running")

# Names only: nothing here imports the report, which reads runs.
CURVES, PAGE = "fedrec.report.figures.curves", "fedrec.report.page"

Record = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Run:
    """One run folder as it is on the disk; `history`, `metrics` and `users` may be missing parts.

    Attributes:
        folder: Folder that it was read from.
        about: Run.json: status, reason, versions, data, semantics, machine.
        config: Config.toml, sections as nested dictionaries.
        history: Rounds.jsonl, one record per round, oldest first; empty before the first. The same
            as a DataFrame: `rounds`.
        metrics: Metrics.json, or None for a run that did not reach its end.
        users: Users.csv, one row per user with the rank of the test item and its metrics, or None
            for a run that did not reach its end.
        torn_line: A killed run left half a last line in rounds.jsonl; it was ignored.
        references: Other runs that its report shows beside it, by name; none as it is read.
    """

    folder: Path
    about: Record
    config: Record
    history: list[Record]
    metrics: Record | None
    users: pd.DataFrame | None
    torn_line: bool
    references: Mapping[str, "Run"] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line, as a notebook shows it."""
        test = ((self.metrics or {}).get("test") or {}).get("NDCG@10")
        score = f", test NDCG@10 {test['value']:.4f}" if test else ""
        score += f" ({test['users']:,} users)" if test and test.get("users") else ""
        score += f"; {self.no_model}" if self.no_model else ""
        return f"<Run {self.name}: {self.status}, {len(self.history)} records{score}>"

    def _repr_html_(self) -> str:
        """The same for a notebook, with what was run and where it lies."""
        facts = run_facts(self.about, self.config, self.history, self.metrics)
        return card(f"Run {self.name}", facts | {"folder": self.folder}, [self.no_model])

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row a round: loss, validation metrics, clients, traffic, seconds."""
        return rounds_frame(self.history)

    def plot(self, against: str = "round") -> "Figure":
        """Training loss and validation metrics as a matplotlib figure.

        Args:
            against: "round", or "megabytes" of training traffic.

        Raises:
            ConfigError: Another word.
            DataError: No round was trained or evaluated, or nothing travelled.
        """
        refuse([one_of("against", against, ("round", "megabytes"))])
        figure = importlib.import_module(CURVES).figure_of(self, against)
        if figure is None:
            raise DataError(f"{self.folder} has nothing to plot against {against!r} yet")
        return figure  # type: ignore[no-any-return]  # of a module known by its name

    def report(self, references: "Sequence[Run | str | Path]" = ()) -> Path:
        """Path of report.html, which is written where there is none.

        Args:
            references: Other runs to show beside this one; the page is then written anew.

        Raises:
            FedrecError: A reference cannot be compared, or the folder cannot be written.
        """
        page = self.folder / "report.html"
        if references or not page.exists():
            others = [(one if isinstance(one, Run) else load(one)).folder for one in references]
            importlib.import_module(PAGE).write_report(self.folder, others)
        return page

    @property
    def name(self) -> str:
        """Name of the run, or of its folder."""
        return str(self.about.get("name") or self.folder.name)

    @property
    def status(self) -> str:
        """One of `STATUSES`."""
        return str(self.about["status"])

    @property
    def clients(self) -> list[Record]:
        """Partition, users and training targets of each client, and what else it has told."""
        told = [part for part in self.about.get("partitions") or [] if "partition" in part]
        return [{"users": 0, "targets": 0} | part for part in told]

    @property
    def no_model(self) -> str:
        """Why the folder holds no model.safetensors; empty for a run that keeps its weights."""
        return str(self.about.get("no_model", ""))

    @property
    def round_word(self) -> str:
        """What the rounds of this run are: "round", or "local step" of the local-only users."""
        return str(self.about.get("round_is", "round"))

    @property
    def protocol(self) -> str:
        """Evaluation protocol of the curves and, unless said otherwise, of every metric."""
        configured = self.config.get("evaluation", {}).get("protocol", "full")
        # A config may name several; the first selects the best round and is the one of the curves.
        main = configured.split(",")[0].strip()
        evaluation = self.config.get("evaluation", {})
        main += protocol_suffix(
            evaluation.get("users", 0),
            evaluation.get("validation-users", 0),
            knows_time="relative" in names_in(self.config.get("model", {}).get("time", "")),
        )
        return str((self.metrics or {}).get("protocol", main))

    @property
    def best_round(self) -> int | None:
        """Round whose weights were kept, or None before the first evaluation."""
        named = (self.metrics or {}).get("best_round", self.about.get("best_round"))
        marked = [r["round"] for r in self.history if r.get("best")]
        return int(named) if named is not None else marked[-1] if marked else None

    @property
    def validation(self) -> Record:
        """Validation metrics of the kept weights; of the last evaluated round if none is marked."""
        evaluated = {r["round"]: r["validation"] for r in self.history if r.get("validation")}
        last: Record = next(reversed(evaluated.values()), {})
        final: Record = (self.metrics or {}).get("validation") or {}
        return final or evaluated.get(self.best_round, last)


def read_run(folder: Path) -> Run:
    """Read a run folder, also one of a run that was killed or still goes on.

    Raises:
        DataError: No run folder, a file that its status promises is missing, or one that is broken
            or not what the run wrote.
    """
    about = read_about(folder)
    if about.get("status") not in STATUSES:
        raise DataError(
            f"{folder / 'run.json'}: status {about.get('status')!r}, expected one of "
            f"{', '.join(STATUSES)}; the file is damaged"
        )
    must_exist = about["status"] in COMPLETE
    if about["status"] in ("failed", "interrupted"):
        check_files(folder, about, "rounds.jsonl")
    if not must_exist:
        check_config(folder, about)
    if must_exist:
        check_files(folder, about, "config.toml", "rounds.jsonl", "metrics.json", "users.csv")
    history, torn_line = read_rounds(folder / "rounds.jsonl", must_exist=must_exist)
    metrics, users = folder / "metrics.json", folder / "users.csv"
    return Run(
        folder=folder,
        about=about,
        config=read_toml(folder / "config.toml"),
        history=history,
        metrics=read_json(metrics) if must_exist or metrics.exists() else None,
        users=users_table(content_of(users), users) if must_exist or users.exists() else None,
        torn_line=torn_line,
    )


def load(folder: str | Path) -> Run:
    """A run folder: its rounds, metrics and users; a bare name is one under $FEDREC_HOME/runs.

    Raises:
        DataError: No run folder, or a broken file in it.
    """
    path = Path(folder)
    is_name = not os.path.exists(path) and len(path.parts) == 1
    return read_run(home() / "runs" / path if is_name else path)


def read_about(folder: Path) -> Record:
    """Read run.json of a run folder that this version can read.

    Raises:
        DataError: There is none, it is damaged, or another version of fedrec wrote the folder.
    """
    about = read_json(folder / "run.json")
    if (seen := about.get("format")) != FORMAT:
        raise DataError(
            f"{folder / 'run.json'}: a run folder of format {seen!r}, this version reads format "
            f"{FORMAT}; read it with the version of fedrec that wrote it, or make the run again"
        )
    check_kinds(about, ABOUT_KINDS, str(folder / "run.json"))
    check_seal(about, str(folder / "run.json"))
    return about


def read_json(path: Path) -> Record:
    """Read one JSON object; NaN and infinity, which JSON does not know, are refused."""
    return parse_json(content_of(path), str(path))


def read_rounds(path: Path, *, must_exist: bool = True) -> tuple[list[Record], bool]:
    """Read rounds.jsonl, leaving out the half line that a killed run may end with.

    Returns:
        The records in order, and whether a torn last line was ignored.

    Raises:
        DataError: A broken line before the last one, or no file though `must_exist`.
    """
    if not must_exist and not path.exists():
        return [], False
    # Every whole line ends in a newline, so what follows the last one was being written.
    *lines, tail = content_of(path).split(b"\n")
    records = [_round(line, f"{path} line {n}") for n, line in enumerate(lines, start=1)]
    return records, bool(tail)


def _round(line: bytes, where: str) -> Record:
    record = parse_json(line, where)
    check_kinds(record, ROUND_KINDS, where)
    if "round" not in record:
        raise DataError(f"{where}: no round in it; the file is damaged")
    return record


def number(cell: Any) -> float | None:
    """The value of a metric that is a number or a {"value", "low", "high"} record."""
    value = cell.get("value") if isinstance(cell, Mapping) else cell
    return None if value is None else float(value)


def sampled_and_aggregated(line: Mapping[str, Any]) -> tuple[int, int]:
    """How many clients a round sampled, and how many it aggregated."""
    if users := line.get("users"):
        return users["sampled"], users["aggregated"]
    return len(line.get("sampled") or []), len(line.get("aggregated") or [])
