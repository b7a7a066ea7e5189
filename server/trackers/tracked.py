"""Tell a run to its trackers while it goes on; whatever fails in one ends that tracker alone."""

import contextlib
import importlib.util
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.config.values.choices import names_in
from fedrec.errors import DataError, FedrecError, ResourceError
from fedrec.files.home import home
from fedrec.runs.directory import TRACKERS
from fedrec.runs.record import read_json
from fedrec.runs.redaction import hide_secrets
from fedrec.runs.write import write_json
from server.lifecycle.run_folder import RunFolder
from server.trackers.figures import final_figures, round_figures
from server.trackers.mlflow import MLflow
from server.trackers.tensorboard import TensorBoard
from server.trackers.tracker import Beginning, Figures, Tracker
from server.trackers.wandb import WeightsAndBiases

OnRound = Callable[[dict[str, Any]], None]
KINDS: dict[str, Callable[[Beginning], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
INSTALL = {  # the packages of the extras in pyproject.toml
    "tensorboard": "'tensorboard>=2.18'",
    "mlflow": "'alembic>=1.13' 'mlflow-skinny>=3.1' 'sqlalchemy>=2.0'",
    "wandb": "'wandb>=0.19'",
}
log = logging.getLogger(__name__)


def check_trackers(config: Config) -> None:
    """Refuse a tracker whose package is not installed.

    Raises:
        ResourceError: Names the extra.
    """
    for name in names_in(config.run.trackers):
        if importlib.util.find_spec(name) is None:
            raise ResourceError(
                f"run.trackers = {config.run.trackers!r} needs {name}, which the extra of that "
                f"name holds: pip install {INSTALL[name]}"
            )


@contextlib.contextmanager
def tracked(
    config: Config, folder: RunFolder, completed: int, on_round: OnRound | None
) -> Iterator[OnRound | None]:
    """Tell the rounds and the end of a run to its trackers, if it has any.

    A resumed run goes on with the trackers that its folder names, and in the same run of each.

    Args:
        config: Config of the run.
        folder: Folder of the run.
        completed: Last round that is complete; -1 for a new run.
        on_round: Callback of the user.

    Yields:
        The callback that the run calls with each line of rounds.jsonl.
    """
    known = _identities(folder.path)
    names = dict.fromkeys((*names_in(config.run.trackers), *known))
    if not names:
        yield on_round
        return
    running = _Running(folder)
    for name in names:
        running.begin(name, _beginning(config, folder, known.get(name, ""), completed))

    def add(line: dict[str, Any]) -> None:
        running.add_round(line)
        if on_round is not None:
            on_round(line)

    try:
        yield add
    finally:
        running.end()


class _Running:
    """The trackers of a run that have not failed so far."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._trackers: dict[str, Tracker] = {}

    def begin(self, name: str, run: Beginning) -> None:
        def start() -> None:
            self._trackers[name] = KINDS[name](run)
            write_json(run.folder / TRACKERS, self.identities | _others(run.folder, name))

        self._try(name, start)

    @property
    def identities(self) -> dict[str, str]:
        return {name: tracker.identity for name, tracker in self._trackers.items()}

    def add_round(self, line: dict[str, Any]) -> None:
        figures = round_figures(line)
        self._each(lambda tracker: tracker.add_round(line["round"], figures))

    def end(self) -> None:
        figures: Figures = {}
        report = self._folder.path / "report.html"
        with contextlib.suppress(DataError):  # of a run without an end
            figures = final_figures(read_json(self._folder.path / "metrics.json"))
        status = str(self._folder.about.get("status"))
        page = report if report.exists() else None
        self._each(lambda tracker: tracker.end(status, figures, page))

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            self._try(name, lambda tracker=tracker: tell(tracker))  # type: ignore[misc]

    def _try(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self._trackers.pop(name, None)
            why = " ".join(f"{type(error).__name__}: {error}".split())
            told = f"tracker {name} failed and is told no more of this run: {why}"
            log.warning(told)
            with contextlib.suppress(FedrecError):
                self._folder.log(told)


def _beginning(config: Config, folder: RunFolder, identity: str, completed: int) -> Beginning:
    return Beginning(
        name=folder.path.name,
        folder=folder.path,
        home=home(),
        config=hide_secrets(flatten(config)),
        identity=identity,
        completed=completed,
    )


def _identities(folder: Path) -> dict[str, str]:
    """Tracker -> what it calls the run, as its folder says; empty for one that had none."""
    if not (folder / TRACKERS).exists():
        return {}
    try:
        found = read_json(folder / TRACKERS)
    except DataError as error:
        log.warning("%s; the trackers begin anew", error)
        return {}
    return {name: str(identity) for name, identity in found.items() if name in KINDS}


def _others(folder: Path, name: str) -> dict[str, str]:
    return {other: own for other, own in _identities(folder).items() if other != name}
