"""The grid of `fedrec ablate`: which runs it holds, and in which folder each one lies."""

import dataclasses
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.baselines.run import baseline_config, centralised_config
from experiments.sweep.planned import FEDERATED
from fedrec.config.config import Config
from fedrec.config.keys import config_hash, flat_tables, flatten, read_config
from fedrec.config.sections.model import Model
from fedrec.config.sections.semantics import Semantics
from fedrec.config.values.choices import SIGNALS_MEAN, names_in
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.factory.table import catalog_with_signals, needs_table, signals_of
from fedrec.semantics.signals.columns import column_of
from fedrec.semantics.texts import describe_items

FILE = Path(__file__).parent.parent / "grids" / "ablation.toml"
SIGNALS = "signals"  # in a list of views or fields: one for each kind in the file of signals
PRESET = "preset"  # name of the task that changes nothing, where a group lists none
RENAMED_GROUPS = {"comparison": "baselines", "mix": "fusion"}  # old name -> name


@dataclass(frozen=True)
class AblationTask:
    """One run of a group, for each seed, and what it is compared with.

    Attributes:
        name: Name within the group.
        kind: "federated", or the kind of the baseline.
        changes: Dotted keys that differ from the preset.
        against: Name of the task it is compared with; empty for the baseline of the group.
        folder: Folder of its runs in that of the ablation, without "-seed0"; tasks that compute
            the same have one folder, and the changes of the first of them.
        skipped: Reason why preset or data do not allow it, in one line; empty where they do.
    """

    name: str
    kind: str
    changes: dict[str, Any]
    against: str = ""
    folder: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Group:
    """Ablation tasks that answer one question.

    Attributes:
        name: Name, as --only takes it.
        about: What the group compares, the title of its table.
        baseline: Task that the others are compared with, unless they name another.
        tasks: Tasks in the order of the table.
        seeds: Least number of seeds of its runs.
    """

    name: str
    about: str
    baseline: str
    tasks: tuple[AblationTask, ...]
    seeds: int = 1


def read_grid(kind: str) -> list[Group]:
    """Read the groups of the grid from its file.

    Args:
        kind: Kind of the tasks that are no baselines: "federated" or "centralised".
    """
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return [
        Group(
            name,
            table["about"],
            table.get("baseline", ""),
            tuple(c for name, values in table["tasks"].items() for c in _tasks(name, values, kind)),
            table.get("seeds", 1),
        )
        for name, table in tables.items()
    ]


def _tasks(name: str, values: dict[str, Any], kind: str) -> Iterator[AblationTask]:
    """A task, once for each other that it is compared with."""
    changes = flat_tables(values)
    against, kind = changes.pop("against", ""), changes.pop("kind", kind)
    for one in [against] if isinstance(against, str) else against:
        yield AblationTask(name, kind, changes, one)


def placed_grid(base: Config, kind: str, catalog: Catalog | None = None) -> list[Group]:
    """The whole grid relative to a config: every task with its folder and its baseline.

    A folder is named after the first task of its kind in the whole grid, so that it is found
    again whichever groups are asked for.

    Args:
        base: Preset with the user's settings.
        kind: "federated" or "centralised".
        catalog: Items, to find text fields that give the same texts; without it, all differ.
    """
    texts = _Texts(catalog)
    own = AblationTask(PRESET, kind, {}, folder=PRESET)
    owners = {_identity(base, own, texts): own}
    groups = []
    for group in read_grid(kind):
        tasks, baseline = [], group.baseline
        for task in group.tasks:
            try:
                task = dataclasses.replace(task, changes=_relative(base, task.changes))
                identity = _identity(base, task, texts)
            except ConfigError as error:
                skipped = " ".join(str(error).split())
                tasks.append(dataclasses.replace(task, folder=_slug(group, task), skipped=skipped))
                continue
            named = dataclasses.replace(task, folder=_slug(group, task))
            owner = owners.setdefault(identity, named)
            baseline = baseline or (task.name if owner is own else "")
            tasks.append(dataclasses.replace(owner, name=task.name, against=task.against))
        if not baseline:
            tasks.insert(0, own)
        groups.append(_compared(dataclasses.replace(group, tasks=tuple(tasks)), baseline or PRESET))
    return groups


def _compared(group: Group, baseline: str) -> Group:
    """The group with the task that each of its tasks is compared with."""
    tasks = tuple(
        dataclasses.replace(task, against="" if task.name == baseline else task.against or baseline)
        for task in group.tasks
    )
    return dataclasses.replace(group, baseline=baseline, tasks=tasks)


def _slug(group: Group, task: AblationTask) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", f"{group.name} {task.name}".lower()).strip("-")


def _relative(base: Config, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes with lists such as "+semantic" and "-semantic" in place of what they mean.

    Raises:
        ConfigError: Nothing is left of a list, or the preset names no file of signals.
    """
    flat = flatten(base)
    found = dict(changes)
    for key in ("model.views", "semantics.fields"):
        words = names_in(str(changes.get(key, "")))
        if words and all(word[:1] in ("+", "-") for word in words):
            names = list(names_in(str(flat[key])))
            for word in words:
                names = _changed(names, word[:1], _named(base, word[1:], names, key))
            if not names:
                raise ConfigError(f"{key} has nothing but {changes[key][1:]!r}: nothing is left")
            found[key] = ",".join(names)
    return found


def _changed(names: list[str], sign: str, meant: Sequence[str]) -> list[str]:
    if sign == "-":
        return [name for name in names if name not in meant]
    return names + [name for name in meant if name not in names]


def _named(base: Config, word: str, names: Sequence[str], key: str) -> Sequence[str]:
    """The names that a word stands for: itself, or those of all signals there are."""
    if word != SIGNALS:
        return [word]
    signals = signals_of(base.semantics)
    if signals is None:
        raise ConfigError(f"{key} = '+{SIGNALS}' needs a file of signals in semantics.signals")
    return [column_of(kind) for kind in signals.kinds] + [SIGNALS_MEAN] * (SIGNALS_MEAN in names)


class _Texts:
    """What fields of a catalogue say: equal for those that say the same of every item."""

    def __init__(self, catalog: Catalog | None) -> None:
        self._catalog = catalog
        self._known: dict[str, str] = {}

    def said(self, config: Config) -> str:
        """A text that stands for what the fields of a config say.

        Raises:
            ConfigError: The catalogue does not have them.
        """
        settings = config.semantics
        fields = settings.fields
        if self._catalog is None:
            return fields
        key = f"{fields} {settings.signals} {settings.signals_control}"
        if key not in self._known:
            catalog = catalog_with_signals(settings, self._catalog, seed=config.seed)
            texts = describe_items(catalog, names_in(fields)).texts
            self._known[key] = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
        return self._known[key]


def _identity(base: Config, task: AblationTask, texts: _Texts) -> tuple[str, str]:
    """Equal for tasks that compute the same: settings that nothing reads are left out."""
    config = run_config(base, task)
    model, semantics = config.model, Semantics()
    views = names_in(model.views)
    if "identity" not in views:
        model = dataclasses.replace(model, identity_start="random")
    if views == ("identity",):
        model = dataclasses.replace(model, identity_dropout=0.0)
    if not model.smooths:
        nothing = Model()
        model = dataclasses.replace(
            model, neighbours=nothing.neighbours, neighbour_events=nothing.neighbour_events
        )
    if needs_table(config):
        said = texts.said(config)
        semantics = dataclasses.replace(config.semantics, fields=said)
    return task.kind, config_hash(dataclasses.replace(config, model=model, semantics=semantics))


def run_config(
    base: Config, task: AblationTask, seed: int | None = None, folder: Path = Path()
) -> Config:
    """The config of one run of a task, as its folder keeps it.

    Raises:
        ConfigError: The task's changes do not go with the preset.
    """
    config = task_config(base, task, base.seed if seed is None else seed, folder)
    return config if task.kind == FEDERATED else baseline_config(task.kind, config, folder)


def task_config(base: Config, task: AblationTask, seed: int, folder: Path) -> Config:
    """The config of a federation, or that a baseline is made from.

    What does not go with a federation of users may go with one place that holds all data.

    Raises:
        ConfigError: The task's changes do not go with the preset.
    """
    start = base if task.kind == FEDERATED else centralised_config(base, folder)
    return read_config(task.changes | {"seed": seed, "run.dir": str(folder)}, start)


def chosen_groups(groups: Sequence[Group], only: Iterable[str]) -> list[Group]:
    """The groups of some names, in the order of the grid; all of them where none is named.

    Raises:
        ConfigError: No such group (the message has its new name or the nearest), or only blanks.
    """
    given = list(only)
    wanted = [part.strip() for word in given for part in word.split(",") if part.strip()]
    names = [group.name for group in groups]
    if given and not wanted:
        raise ConfigError(f"--only names no group; groups are {', '.join(names)}")
    for name in wanted:
        if name not in names:
            if (new := RENAMED_GROUPS.get(name)) in names:
                raise ConfigError(f"the group {name!r} was renamed to {new!r}; use --only {new}")
            near = difflib.get_close_matches(name, names, 1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"unknown group {name!r}; {hint}groups are {', '.join(names)}")
    return [group for group in groups if not wanted or group.name in wanted]
