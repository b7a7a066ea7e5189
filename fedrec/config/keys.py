"""The run config as flat dotted keys such as ``local.batch-size``, and as TOML.

Flower hands a run's config over as one flat table of int, float, bool and str; files and the
command line speak the same keys.
"""

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from fedrec.config.config import Config, Value
from fedrec.config.start_file import KEY as START_FROM
from fedrec.config.start_file import file_digest, named_run, signals_file, start_sha256
from fedrec.config.values.checks import UNKNOWN, Section, refuse
from fedrec.config.values.choices import DATASETS, SOURCE_SEPARATOR, names_in, sources_in
from fedrec.errors import ConfigError
from fedrec.files.paths import followed

# Where a run executes and how long it waits. Clients that a timeout excludes are recorded.
EXECUTION_KEYS = ("device", "federation.round-timeout")

# Keys and values of earlier versions -> what they are called now. An old one is refused.
RENAMED: dict[str, str] = {
    "local.decay-rounds": "local.schedule-rounds",
    "federation.row-mean": "federation.row-averaging",
    "federation.row-averaging = 'touched'": "federation.row-averaging = 'sparse'",
    "federation.weighting = 'targets'": "federation.weighting = 'num-examples'",
    "model.mix": "model.fusion",
    "strategy.options: decay-rounds": "strategy.options: schedule-rounds",
}


def flatten(config: Config) -> dict[str, Value]:
    """Every key with its value, dotted: the shape of Flower's run config."""
    flat: dict[str, Value] = {}
    for part in dataclasses.fields(config):
        value: Any = getattr(config, part.name)
        if not part.compare:  # says where values come from, is none
            continue
        if not dataclasses.is_dataclass(value):
            flat[part.name] = value
            continue
        for key in dataclasses.fields(value):
            flat[f"{part.name}.{key.name.replace('_', '-')}"] = getattr(value, key.name)
    return flat


def read_config(
    values: Mapping[str, Any], base: Config | None = None, *, unwritten: Collection[str] = ()
) -> Config:
    """The config with the keys of ``values`` changed.

    Args:
        values: Dotted keys, as Flower passes them.
        base: Config that the other keys are taken from; the defaults when none is given.
        unwritten: Keys of ``values`` that the user did not write: those of a preset of ours.

    Raises:
        ConfigError: Unknown keys (the nearest is named), renamed ones, wrong types, values out of
            range or that contradict each other; all of them at once, one line each.
    """
    flat = flatten(base or Config())
    wrong = []
    for key, value in values.items():
        if problem := _key_problem(key, value, flat):
            wrong.append(problem)
        else:
            flat[key] = float(value) if type(flat[key]) is float else value
    base = base or Config()
    config = _unchecked(flat, base.written | (values.keys() - set(unwritten)), base.adapted)
    sections = [getattr(config, name) for name in _SECTIONS]
    refuse(
        [
            *wrong,
            *(problem for section in sections for problem in section.problems()),
            *config.problems(),
        ]
    )
    return config


_SECTIONS: dict[str, type[Section]] = {
    name: kind
    for name, kind in get_type_hints(Config).items()
    if isinstance(kind, type) and issubclass(kind, Section)
}


def _unchecked(
    flat: Mapping[str, Value], written: frozenset[str], adapted: tuple[str, ...]
) -> Config:
    """The config of all keys, made without the checks that would stop at its first section."""
    top: dict[str, Any] = {name: object.__new__(kind) for name, kind in _SECTIONS.items()}
    for key, value in flat.items():
        section, _, name = key.rpartition(".")
        fields = vars(top[section]) if section else top
        fields[name.replace("-", "_")] = value
    config = object.__new__(Config)
    vars(config).update(top, written=written, adapted=adapted)
    return config


def _key_problem(key: str, value: Any, flat: Mapping[str, Value]) -> str:
    """Why a key cannot be set to a value whatever the other keys are; "" where it can."""
    if renamed := _renamed(key, value):
        return renamed
    if key not in flat:
        near = _nearest(key, flat)
        hint = f"did you mean {near!r}?" if near else "`fedrec keys` lists the keys there are"
        return f"{UNKNOWN} {key!r}; {hint}"
    kind = type(flat[key])
    if key != "seed" and type(value) is int and not -(2**63) <= value < 2**63:
        return f"{key} must lie within 64 bits, got a whole number of {len(f'{value:x}') * 4} bits"
    if isinstance(value, str) and key != "run.name" and not _is_plain(value):
        return f"{key} must be UTF-8 text without NUL, got {value[:60]!a}"
    if type(value) is kind or (kind is float and type(value) is int):
        return ""
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return f"{key} must be {names[kind]}, got {_shown(value)} ({type(value).__name__})"


def _shown(value: object) -> str:
    """A value in a message, however long it is."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}... of {len(text)} characters"


def _is_plain(text: str) -> bool:
    """Whether a text can be written to a file and name one: no NUL, no half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _nearest(key: str, keys: Collection[str]) -> str:
    """The key that was probably meant: of the same last part, else nearly the same; "" if none."""
    wanted = key.replace("_", "-")
    section, _, name = wanted.rpartition(".")
    same = [known for known in keys if known.rpartition(".")[2] == name]
    if same:
        return difflib.get_close_matches(wanted, same, 1, cutoff=0.0)[0]
    last = {known.rpartition(".")[2]: known for known in keys}
    if not section and (near := difflib.get_close_matches(name, last, 1)):
        return last[near[0]]
    return next(iter(difflib.get_close_matches(wanted, keys, 1, cutoff=0.5)), "")


def _renamed(key: str, value: Any) -> str:
    """Say what an old key or value is called now; "" for a current one."""
    new = RENAMED.get(key, key)
    setting = RENAMED.get(f"{new} = {value!r}", f"{new} = {value!r}")
    if new != key:
        return f"{key} was renamed to {new}; set {setting}"
    if setting != f"{key} = {value!r}":
        return f"{key} = {value!r} was renamed; set {setting}"
    return ""


def flat_tables(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested TOML tables as dotted keys; a table without keys is none, unless it is a section."""
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping) and (value or prefix + key in _SECTIONS):
            flat.update(flat_tables(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def toml_value(value: Value) -> str:
    """A value as TOML writes it: JSON, but for surrogate pairs and the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def to_toml(config: Config, *, with_run: bool = False) -> str:
    """The config as TOML sections: the text of config.toml.

    Of ``run.*``, which says where a run lies and how it goes on, only the weights that it starts
    from are in it, unless all is asked for.
    """
    lines: list[str] = []
    section = ""
    for key, value in flatten(config).items():
        head, _, name = key.rpartition(".")
        if head == "run" and not with_run and (key != START_FROM or not value):
            continue
        if head != section:
            lines += ["", f"[{head}]"]
            section = head
        lines.append(f"{name} = {toml_value(value)}")
    return "\n".join(lines) + "\n"


def computed_keys(config: Config) -> dict[str, Value]:
    """Keys that the results depend on: all but ``run.*`` and those of ``EXECUTION_KEYS``.

    In the place of ``run.start-from``, ``semantics.signals`` and ``semantics.vectors`` stands the
    sha256 of what is in the files.

    Raises:
        DataError: These cannot be read.
    """
    flat = flatten(config)
    kept = {k: v for k, v in flat.items() if k not in EXECUTION_KEYS and not k.startswith("run.")}
    for key in ("data.source", "data.items", "evaluation.ncf-negatives"):
        # Where a file lies changes nothing; what is in it is the data's own hash.
        kept[key] = SOURCE_SEPARATOR.join(Path(part).name for part in sources_in(str(kept[key])))
    for key in ("semantics.signals", "semantics.vectors"):
        paths = [signals_file(path) for path in names_in(str(kept[key]))]
        kept[key] = ",".join(file_digest(key, path) for path in paths)
    if config.run.start_from:
        kept[START_FROM] = start_sha256(config.run.start_from)
    return kept


def config_hash(config: Config) -> str:
    """sha256 of what is computed: the keys of ``computed_keys`` with their values."""
    return hashlib.sha256(json.dumps(computed_keys(config), sort_keys=True).encode()).hexdigest()


def absolute_paths(config: Config, folder: Path) -> Config:
    """The config with the relative paths of its files and folders made absolute from ``folder``.

    Only what looks like a path and exists there is touched: names such as "ml-1m" stay names.
    """
    data, run = config.data, config.run

    def resolved(key: str, value: str) -> str:
        try:
            return str(followed(folder / value))
        except (OSError, ValueError) as error:  # a link to itself
            why = " ".join(str(error).split())
            raise ConfigError(f"{key} = {value!r} is no path that can be followed: {why}") from None

    def absolute(value: str) -> str:
        is_path = value and value not in DATASETS and ":" not in value
        is_there = is_path and os.path.exists(folder / value)
        return str((folder / value).resolve()) if is_there else value

    found: dict[str, Any] = {
        "source": SOURCE_SEPARATOR.join(absolute(part) for part in sources_in(data.source)),
        "items": absolute(data.items),
    }
    negatives = config.evaluation.ncf_negatives
    evaluation = config.evaluation
    if negatives:
        evaluation = dataclasses.replace(
            evaluation, ncf_negatives=resolved("evaluation.ncf-negatives", negatives)
        )
    if run.dir:
        run = dataclasses.replace(run, dir=resolved("run.dir", run.dir))
    if run.start_from:
        start = resolved(START_FROM, named_run(run.start_from))
        run = dataclasses.replace(run, start_from=start)
    if run.replay:
        run = dataclasses.replace(run, replay=resolved("run.replay", run.replay))
    data, semantics = dataclasses.replace(data, **found), config.semantics
    if semantics.signals or semantics.vectors:
        vectors = [resolved("semantics.vectors", path) for path in names_in(semantics.vectors)]
        signals = semantics.signals and resolved(
            "semantics.signals", signals_file(semantics.signals)
        )
        semantics = dataclasses.replace(semantics, signals=signals, vectors=",".join(vectors))
    return dataclasses.replace(
        config, data=data, semantics=semantics, evaluation=evaluation, run=run
    )
