"""The run config: frozen, typed sections read from flat dotted keys such as ``local.batch-size``.

Flower hands a run's config over as one flat table of int, float, bool and str. Here it becomes
records that are checked where they are made, so that a run fails before its first round. The
defaults live here; a test keeps ``[tool.flwr.app.config]`` in pyproject.toml equal to them.
"""

import dataclasses
import difflib
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_type_hints

from fedrec.errors import ConfigError

Value = int | float | bool | str

DATASETS = ("synthetic", "ml-1m", "ml-100k", "ml-latest-small")  # names, never paths
VIEWS = ("identity", "semantic", "content")
RUN_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DEVICE_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # reserved on Windows
DOTTED_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")  # "package.module:name"


def _require(holds: bool, key: str, must: str, seen: object) -> None:
    if not holds:
        raise ConfigError(f"{key} must be {must}, got {seen!r}")


def _one_of(key: str, value: str, choices: tuple[str, ...], *, dotted: bool = False) -> None:
    if value in choices or (dotted and DOTTED_NAME.fullmatch(value)):
        return
    near = difflib.get_close_matches(value, choices, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    more = ' or "package.module:name"' if dotted else ""
    raise ConfigError(f"{key} must be one of {', '.join(choices)}{more}, got {value!r}{hint}")


def _rate(key: str, value: float, *, positive: bool = True) -> None:
    good = math.isfinite(value) and (value > 0 if positive else value >= 0)
    _require(good, key, "a finite number " + ("above 0" if positive else "of 0 or more"), value)


def _count(key: str, value: int, least: int = 1) -> None:
    _require(value >= least, key, f"a whole number of {least} or more", value)


def _fraction(key: str, value: float) -> None:
    _require(0 < value <= 1, key, "above 0 and at most 1", value)


def _share(key: str, value: float) -> None:
    _require(0 <= value < 1, key, "at least 0 and below 1", value)


def names_in(text: str) -> tuple[str, ...]:
    """The names in a comma-separated string: ``"title, genres"`` gives two."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which interactions, read how."""

    source: str = "synthetic"  # a name, a file, a folder or "package.module:name"
    format: str = "auto"
    min_item_events: int = 5
    min_user_events: int = 3
    user_column: str = "user"
    item_column: str = "item"
    time_column: str = "time"
    rating_column: str = ""
    title_column: str = ""
    genres_column: str = ""
    year_column: str = ""
    description_column: str = ""
    text_columns: str = ""  # further text of the items, comma-separated
    attribute_columns: str = ""  # what is known of the users, for partition.by
    items: str = ""  # a table of items beside a table of events

    def __post_init__(self) -> None:
        _require(bool(self.source), "data.source", "a name or a path", self.source)
        _count("data.min-item-events", self.min_item_events)
        _count("data.min-user-events", self.min_user_events, 3)


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Which users each SuperNode holds."""

    count: int = 10
    by: str = "uniform"
    alpha: float = 0.5  # of the Dirichlet of by = "taste"

    def __post_init__(self) -> None:
        _count("partition.count", self.count)
        _rate("partition.alpha", self.alpha)
        _require(bool(self.by), "partition.by", "a rule or an attribute of the users", self.by)


@dataclass(frozen=True, kw_only=True)
class Semantics:
    """The frozen table of item meanings."""

    encoder: str = "minilm"
    revision: str = ""
    fields: str = "title,genres,year"
    width: int = 128
    whiten: bool = True
    shuffled: bool = False  # control: every item gets another item's meaning

    def __post_init__(self) -> None:
        _require(bool(self.encoder), "semantics.encoder", "an encoder's name", self.encoder)
        _require(bool(names_in(self.fields)), "semantics.fields", "a list", self.fields)
        _count("semantics.width", self.width)


@dataclass(frozen=True, kw_only=True)
class Model:
    """The recommender."""

    name: str = "hybrid"
    views: str = "identity,semantic,content"
    width: int = 64
    blocks: int = 2
    heads: int = 1
    hidden: int = 256
    max_length: int = 200
    dropout: float = 0.2
    identity_dropout: float = 0.1
    identity_start: str = "text"
    private: str = ""

    def __post_init__(self) -> None:
        _one_of("model.name", self.name, ("hybrid", "sasrec"), dotted=True)
        for view in names_in(self.views):
            _one_of("model.views", view, VIEWS)
        views = names_in(self.views)
        _require(len(set(views)) == len(views) > 0, "model.views", "distinct views", self.views)
        for key in ("width", "blocks", "heads", "hidden", "max_length"):
            _count(f"model.{key.replace('_', '-')}", getattr(self, key))
        if self.width % self.heads:
            raise ConfigError(
                f"model.heads must divide model.width, got {self.heads} and {self.width}"
            )
        _share("model.dropout", self.dropout)
        _share("model.identity-dropout", self.identity_dropout)
        _one_of("model.identity-start", self.identity_start, ("text", "random"))
        for name in names_in(self.private):
            _one_of("model.private", name, ("gate-bias",))
        if self.name == "sasrec" and self.private:
            raise ConfigError("model.private needs a gate; model.name = 'sasrec' has none")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What training minimises."""

    name: str = "sampled-softmax"
    negatives: int = 256
    log_q: bool = True  # sampled-softmax: correct for how seldom an item is drawn
    calibration: float = 0.75  # t of gbce

    def __post_init__(self) -> None:
        _one_of("loss.name", self.name, ("sampled-softmax", "softmax", "bce", "gbce"))
        _count("loss.negatives", self.negatives)
        _require(
            0 <= self.calibration <= 1, "loss.calibration", "between 0 and 1", self.calibration
        )


@dataclass(frozen=True, kw_only=True)
class Local:
    """What one client does in one round."""

    epochs: int = 1
    steps: int = 0  # 0: whole epochs; else this many batches a round
    batch_size: int = 8
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    beta_2: float = 0.98
    weight_decay: float = 0.0
    clip_norm: float = 0.0  # 0: no clipping of the local gradient
    optimizer_state: str = "keep"

    def __post_init__(self) -> None:
        _count("local.epochs", self.epochs)
        _count("local.steps", self.steps, 0)
        _count("local.batch-size", self.batch_size)
        _one_of("local.optimizer", self.optimizer, ("adam", "adamw", "sgd"))
        _rate("local.learning-rate", self.learning_rate)
        _share("local.beta-2", self.beta_2)
        _rate("local.weight-decay", self.weight_decay, positive=False)
        _rate("local.clip-norm", self.clip_norm, positive=False)
        _one_of("local.optimizer-state", self.optimizer_state, ("keep", "reset"))


@dataclass(frozen=True, kw_only=True)
class Federation:
    """Who takes part, for how long, and when the global model is judged."""

    unit: str = "partition"
    rounds: int = 20
    fraction: float = 1.0
    min_participation: float = 0.5
    evaluate_every: int = 1
    evaluate_fraction: float = 1.0
    patience: int = 0  # evaluations without a better NDCG@10 before stopping; 0: never
    round_timeout: float = 3600.0
    share_counts: bool = True

    def __post_init__(self) -> None:
        _one_of("federation.unit", self.unit, ("partition",))
        _count("federation.rounds", self.rounds)
        _fraction("federation.fraction", self.fraction)
        _fraction("federation.min-participation", self.min_participation)
        _count("federation.evaluate-every", self.evaluate_every)
        _fraction("federation.evaluate-fraction", self.evaluate_fraction)
        _count("federation.patience", self.patience, 0)
        _rate("federation.round-timeout", self.round_timeout)


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How updates become the next global model."""

    name: str = "fedavg"
    options: str = ""  # as in an inline table of TOML: 'proximal-mu = 0.01'

    def __post_init__(self) -> None:
        _require(bool(self.name), "strategy.name", "a strategy", self.name)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How ranks are made and summed up."""

    protocol: str = "full"  # the first of several is the main one
    at: str = "5,10,20"
    resamples: int = 1000
    ncf_negatives: str = ""  # NCF's file for the protocol ncf-99

    def __post_init__(self) -> None:
        protocols = self.protocols
        _require(bool(protocols), "evaluation.protocol", "a list of protocols", self.protocol)
        for name in protocols:
            _one_of(
                "evaluation.protocol",
                name,
                ("full", "uniform-100", "uniform-99", "popularity-100", "ncf-99"),
            )
        if "ncf-99" in protocols and not self.ncf_negatives:
            raise ConfigError(
                "evaluation.protocol has ncf-99, which reads its negatives from a file; name it "
                "in evaluation.ncf-negatives"
            )
        if not all(part.isdecimal() and int(part) > 0 for part in names_in(self.at)):
            raise ConfigError(
                f"evaluation.at must be whole numbers of 1 or more such as '5,10,20', "
                f"got {self.at!r}"
            )
        if 10 not in self.cutoffs:
            raise ConfigError(
                f"evaluation.at must hold 10, which selects the best round, got {self.at!r}"
            )
        _count("evaluation.resamples", self.resamples)

    @property
    def protocols(self) -> tuple[str, ...]:
        """All protocols that ranks are made by."""
        return names_in(self.protocol)

    @property
    def main_protocol(self) -> str:
        """The first one: it picks the best round and names the curves."""
        return self.protocols[0]

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The k of HR@k and NDCG@k."""
        return tuple(int(part) for part in names_in(self.at))


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where the run's folder is; no part of what is computed."""

    dir: str = ""
    name: str = ""
    overwrite: bool = False
    checkpoint_every: int = 5

    def __post_init__(self) -> None:
        check_run_name(self.name)
        _count("run.checkpoint-every", self.checkpoint_every)


def check_run_name(name: str) -> None:
    """Refuse a run name that could leave the folder of runs or that no file system takes."""
    plain = RUN_NAME.fullmatch(name) and not DEVICE_NAMES.fullmatch(name)
    if name and (not plain or name.strip(".") == ""):
        shown = name if len(name) <= 40 else name[:40] + "..."
        raise ConfigError(
            f"run.name must be 1 to 64 letters, digits, '.', '_' or '-' and no reserved name, "
            f"got {shown!r}"
        )


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a run is told."""

    seed: int = 0
    device: str = "auto"
    data: Data = field(default_factory=Data)
    partition: Partition = field(default_factory=Partition)
    semantics: Semantics = field(default_factory=Semantics)
    model: Model = field(default_factory=Model)
    loss: Loss = field(default_factory=Loss)
    local: Local = field(default_factory=Local)
    federation: Federation = field(default_factory=Federation)
    strategy: Strategy = field(default_factory=Strategy)
    evaluation: Evaluation = field(default_factory=Evaluation)
    run: Run = field(default_factory=Run)

    def __post_init__(self) -> None:
        _require(0 <= self.seed < 2**63, "seed", "a whole number from 0 to 2^63 - 1", self.seed)
        _one_of("device", self.device, ("auto", "cpu", "cuda"))


def flatten(config: Config) -> dict[str, Value]:
    """Every key with its value, dotted: the shape of Flower's run config."""
    flat: dict[str, Value] = {}
    for part in dataclasses.fields(config):
        value: Any = getattr(config, part.name)
        if not dataclasses.is_dataclass(value):
            flat[part.name] = value
            continue
        for key in dataclasses.fields(value):
            flat[f"{part.name}.{key.name.replace('_', '-')}"] = getattr(value, key.name)
    return flat


def read_config(values: Mapping[str, Any], base: Config | None = None) -> Config:
    """The config with the keys of ``values`` changed.

    Args:
        values: dotted keys, as Flower passes them.
        base: what the other keys are taken from; the defaults when none is given.

    Raises:
        ConfigError: an unknown key (the nearest is named), a wrong type, a value out of range.
    """
    flat = flatten(base or Config())
    for key, value in values.items():
        if key not in flat:
            near = difflib.get_close_matches(key, flat, 1, cutoff=0.5)
            hint = (
                f"did you mean {near[0]!r}?" if near else "`fedrec keys` lists the keys there are"
            )
            raise ConfigError(f"unknown key {key!r}; {hint}")
        flat[key] = _typed(key, value, type(flat[key]))
    sections: dict[str, dict[str, Value]] = {}
    top: dict[str, Any] = {}
    for key, value in flat.items():
        section, _, name = key.rpartition(".")
        if section:
            sections.setdefault(section, {})[name.replace("-", "_")] = value
        else:
            top[key] = value
    kinds = get_type_hints(Config)
    return Config(**top, **{name: kinds[name](**given) for name, given in sections.items()})


def _typed(key: str, value: Any, kind: type) -> Value:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
        raise ConfigError(f"{key} must be {names[kind]}, got {value!r} ({type(value).__name__})")
    return cast(Value, value)


def flat_tables(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested TOML tables as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping):
            flat.update(flat_tables(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def toml_value(value: Value) -> str:
    """A value as TOML writes it: JSON, but for surrogate pairs and the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def to_toml(config: Config, *, with_run: bool = False) -> str:
    """The config as TOML sections, without ``run.*`` unless asked: the text of config.toml."""
    lines: list[str] = []
    section = ""
    for key, value in flatten(config).items():
        head, _, name = key.rpartition(".")
        if head == "run" and not with_run:
            continue
        if head != section:
            lines += ["", f"[{head}]"]
            section = head
        lines.append(f"{name} = {toml_value(value)}")
    return "\n".join(lines) + "\n"


def config_hash(config: Config) -> str:
    """sha256 of what is computed: every key but ``run.*`` and ``device``."""
    flat = {key: value for key, value in flatten(config).items() if key != "device"}
    flat = {key: value for key, value in flat.items() if not key.startswith("run.")}
    for key in ("data.source", "data.items", "evaluation.ncf-negatives"):
        # Where a file lies changes nothing; what is in it is the data's own hash.
        flat[key] = Path(str(flat[key])).name
    return hashlib.sha256(json.dumps(flat, sort_keys=True).encode()).hexdigest()


def absolute_paths(config: Config, folder: Path) -> Config:
    """The config with the relative paths of ``data`` and ``run.dir`` made absolute from ``folder``.

    Only what looks like a path and exists there is touched: names such as "ml-1m" stay names.
    """
    data, run = config.data, config.run
    found: dict[str, Any] = {
        key: str((folder / value).resolve())
        for key, value in (("source", data.source), ("items", data.items))
        if value and value not in DATASETS and ":" not in value and (folder / value).exists()
    }
    negatives = config.evaluation.ncf_negatives
    evaluation = config.evaluation
    if negatives:
        evaluation = dataclasses.replace(
            evaluation, ncf_negatives=str((folder / negatives).resolve())
        )
    if run.dir:
        run = dataclasses.replace(run, dir=str((folder / run.dir).resolve()))
    data = dataclasses.replace(data, **found)
    return dataclasses.replace(config, data=data, evaluation=evaluation, run=run)
