"""Runs grouped by their configs: seeds of one config are one group, labelled by what differs."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fedrec.config.config import Config, Value
from fedrec.config.keys import EXECUTION_KEYS, flat_tables, flatten
from fedrec.config.start_file import KEY as START_FROM
from fedrec.config.values.choices import names_in, sources_in
from fedrec.errors import ConfigError
from fedrec.report.references import BASELINE_ENGINE, reference_name
from fedrec.report.words import words
from fedrec.runs.plain_text import plain
from fedrec.runs.record import COMPLETE, Run

BASELINE = "baseline"  # not a key of the config: its kind, which the engine names
NO_BASELINE = "none"
# Told first in a label, as far as groups differ in them.
_FIRST = (BASELINE, "strategy.name", "model.name", "model.views", "federation.unit")
_PATHS = ("data.source", "data.items", "evaluation.ncf-negatives", "semantics.vectors")
_ADAPTED = re.compile(r"(?P<key>\S+) is .+, not (?P<default>.+?): ")  # by fit_defaults
# Keys that a loss does not read: two softmax runs do not differ in their negatives.
_UNREAD = {
    "softmax": ("loss.negatives", "loss.log-q", "loss.calibration"),
    "sampled-softmax": ("loss.calibration",),
    "bce": ("loss.log-q", "loss.calibration"),
    "bpr": ("loss.log-q", "loss.calibration"),
    "gbce": ("loss.log-q",),
}
_MOST_KEYS = 3  # in a label, if fewer tell the groups apart
_LONGEST = 40  # characters of a value in a label
NO_LABELS: Mapping[Path, str] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one config.

    Attributes:
        label: What tells it from the other groups.
        settings: Key -> value of what its results depend on, the seed left out.
        runs: Seed -> complete run, in order of the seeds.
    """

    label: str
    settings: Mapping[str, Value]
    runs: Mapping[int, Run]

    @property
    def protocol(self) -> str:
        """Evaluation protocol of the main metrics."""
        return next(iter(self.runs.values())).protocol


def settings_of(run: Run) -> dict[str, Value]:
    """Keys that the results of a run depend on, without its seed.

    Those of ``fedrec.config.keys.computed_keys``, but from the folder alone: the files that a
    config names may lie on another machine, so their names stand for them. Keys that an earlier
    version did not have are at their defaults, and so are those that followed the data, or that the
    run's loss does not read.
    """
    defaults = flatten(Config())
    flat = defaults | flat_tables(run.config)
    flat |= {key: defaults[key] for key in _UNREAD.get(str(flat["loss.name"]), ())}
    kept = {
        key: value
        for key, value in flat.items()
        if key not in EXECUTION_KEYS and key != "seed" and not key.startswith("run.")
    }
    for key in _PATHS:
        parts = names_in if key == "semantics.vectors" else sources_in
        kept[key] = ", ".join(Path(part).name for part in parts(str(kept[key])))
    kept["semantics.signals"] = Path(str(kept["semantics.signals"])).name
    if kernel := run.about.get("kernel"):  # what worked: "auto" is a wish
        kept["local.kernel"] = str(kernel.get("name"))
    for line in run.about.get("adapted") or ():
        # Generated data of another seed may have another number of items, and so other defaults.
        if (found := _ADAPTED.match(str(line))) and found["key"] in kept:
            kept[found["key"]] = type(kept[found["key"]])(found["default"])
    if start := run.about.get("start_from"):
        kept[START_FROM] = f"weights {start['sha256'][:12]}"
    is_baseline = str(run.about.get("engine", "")).startswith(BASELINE_ENGINE)
    kept[BASELINE] = reference_name(run) if is_baseline else NO_BASELINE
    return kept


def group_runs(runs: Iterable[Run], labels: Mapping[Path, str] = NO_LABELS) -> list[Group]:
    """Group runs by what their results depend on, in the order in which configs come first.

    Args:
        runs: Complete runs.
        labels: Folder of a run -> what its config is called; where it is not said for the first
            run of each config, what differs.

    Raises:
        ConfigError: No run; one that is not complete; two of the same config and seed.
    """
    found: dict[str, tuple[dict[str, Value], dict[int, Run]]] = {}
    for run in runs:
        if run.status not in COMPLETE or run.users is None:
            raise ConfigError(
                f"{run.folder} holds a run that is {run.status}, not a complete one; "
                "`fedrec resume` ends it, or leave it out"
            )
        settings = settings_of(run)
        key = json.dumps(settings, sort_keys=True, default=str)
        seeds = found.setdefault(key, (settings, {}))[1]
        seed = int(run.config.get("seed") or run.about.get("seed") or 0)
        if seed in seeds:
            raise ConfigError(
                f"{run.folder} has the config and the seed {seed} of {seeds[seed].folder}; "
                "leave one of them out"
            )
        seeds[seed] = run
    if not found:
        raise ConfigError("compare needs the folder of at least one run, got none")
    pairs = list(found.values())
    names = [plain(reference_name(next(iter(seeds.values())))) for _, seeds in pairs]
    called = [labels.get(next(iter(seeds.values())).folder, "") for _, seeds in pairs]
    if not all(called) or len(set(called)) < len(called):
        called = _labels([settings for settings, _ in pairs], names)
    return [
        Group(label, settings, dict(sorted(seeds.items())))
        for label, (settings, seeds) in zip(called, pairs, strict=True)
    ]


def differing_keys(settings: Sequence[Mapping[str, Value]]) -> list[str]:
    """Keys in which configs differ, those first that say most of what a config is."""
    every = list(dict.fromkeys(key for one in settings for key in one))
    found = [key for key in every if len({_text(one.get(key)) for one in settings}) > 1]
    return [key for key in _FIRST if key in found] + [key for key in found if key not in _FIRST]


def _labels(settings: Sequence[Mapping[str, Value]], names: Sequence[str]) -> list[str]:
    """A label for each config: the keys in which it differs from the others of its kind.

    Kinds are the baselines and the runs that are none: of a baseline, most keys are read by
    nobody. The only config of a kind is called by the name of the baseline, or of its first run.
    """
    labels = list(names)
    for kind in dict.fromkeys(one[BASELINE] for one in settings):
        places = [place for place, one in enumerate(settings) if one[BASELINE] == kind]
        if len(places) == 1:
            continue
        own = [settings[place] for place in places]
        keys = differing_keys(own)
        if len(keys) > _MOST_KEYS:
            keys = telling_keys(keys, own)
        before = [] if kind == NO_BASELINE else [str(kind)]
        for place in places:
            told = [f"{key}={shown_value(settings[place].get(key))}" for key in keys]
            labels[place] = ", ".join([*before, *told])
    return [
        # Two that look alike: values that were cut short, or a run that is named like another.
        label if labels.count(label) == 1 else f"{label} ({place})"
        for place, label in enumerate(labels, start=1)
    ]


def telling_keys(keys: Sequence[str], settings: Sequence[Mapping[str, Value]]) -> list[str]:
    """Keys that tell all configs apart, each the one that tells apart most of what is left."""

    def kinds(chosen: Sequence[str]) -> int:
        # By what is shown: of values that are cut short, two may look alike.
        return len({tuple(shown_value(one.get(key)) for key in chosen) for one in settings})

    chosen: list[str] = []
    while kinds(chosen) < kinds(keys):
        chosen.append(max(keys, key=lambda key: kinds([*chosen, key])))
    return [key for key in keys if key in chosen]


def shown_value(value: Value | None) -> str:
    """A value in one short piece of text; an empty one as two quotes."""
    text = plain(words(value)) or '""'
    return text if len(text) <= _LONGEST else f"{text[:27]}…{text[-12:]}"


def _text(value: object) -> str:
    return json.dumps(value, default=str)


def chosen_group(groups: Sequence[Group], name: str) -> Group:
    """The group that a name stands for.

    Args:
        groups: All groups.
        name: A label or a part of one; or the folder or the name of one of its runs.

    Raises:
        ConfigError: It stands for none, or for several.
    """
    exact = [group for group in groups if name in _names(group)]
    found = exact or [group for group in groups if name in group.label]
    if len(found) != 1:
        what = "no group" if not found else f"{len(found)} groups"
        labels = "; ".join(group.label for group in groups)
        raise ConfigError(f"--against {name} names {what}; expected a part of one of: {labels}")
    return found[0]


def _names(group: Group) -> set[str]:
    named = {group.label}
    for run in group.runs.values():
        named |= {run.name, run.folder.name, str(run.folder)}
    return named


def bases_of(groups: Sequence[Group], within: Sequence[str]) -> list[int]:
    """The place of the group that each one is compared with; its own, of one that is none's.

    Args:
        groups: All groups; the first is what others are compared with.
        within: Keys in whose values a group and its base agree.

    Raises:
        ConfigError: A key that a config does not have.
    """
    if unknown := [key for key in within if key not in groups[0].settings]:
        raise ConfigError(
            f"--within {unknown[0]} is no key; `fedrec keys` lists the keys there are"
        )

    def inside(group: Group) -> str:
        return _text([group.settings.get(key) for key in within])

    def outside(group: Group) -> str:
        return _text({key: value for key, value in group.settings.items() if key not in within})

    bases: dict[str, int] = {}
    for place, group in enumerate(groups):
        if outside(group) == outside(groups[0]):
            bases[inside(group)] = place
    for place, group in enumerate(groups):
        bases.setdefault(inside(group), place)
    return [bases[inside(group)] for group in groups]
