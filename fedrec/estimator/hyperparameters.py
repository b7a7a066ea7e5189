"""Keyword hyperparameters of an estimator and the config keys that they set."""

import dataclasses
import difflib
import re
from collections.abc import Mapping
from typing import TypedDict

from fedrec.config.config import Config, Value
from fedrec.config.keys import RENAMED, flatten, read_config
from fedrec.config.sections.model import Model
from fedrec.config.sections.semantics import Semantics
from fedrec.errors import ConfigError


class Hyperparameters(TypedDict, total=False):
    """Keywords of an estimator, all with the defaults of the config (``fedrec keys``)."""

    seed: int
    device: str
    epochs: int
    patience: int
    evaluate_every: int
    # model
    views: str
    width: int
    blocks: int
    heads: int
    hidden: int
    block: str
    positions: str
    init_std: float
    max_length: int
    dropout: float
    identity_dropout: float
    neighbours: int
    neighbour_events: float
    identity_start: str
    fusion: str
    encoder: str
    time: str
    mask_share: float
    experts: int
    # loss
    loss: str
    negatives: int
    log_q: bool
    own_history: str
    calibration: float
    # optimiser
    batch_size: int
    batches: str
    optimizer: str
    learning_rate: float
    schedule_epochs: int
    beta_1: float
    beta_2: float
    epsilon: float
    weight_decay: float
    clip_norm: float
    windows: int
    # frozen embedding table of the items' texts
    semantics_encoder: str
    semantics_revision: str
    semantics_fields: str
    semantics_width: int
    semantics_whiten: bool
    semantics_long_texts: str
    semantics_shuffled: bool
    semantics_signals: str
    semantics_signals_control: str
    semantics_vectors: str


_LOCAL = (
    *("batch_size", "batches", "optimizer", "learning_rate", "beta_1", "beta_2", "epsilon"),
    *("weight_decay", "clip_norm", "windows"),
)
_NOT_OF_ESTIMATORS = {"name", "private"}  # of section model: the class says one, no client is there


def _keys() -> dict[str, str]:
    def key(section: str, name: str) -> str:
        return f"{section}.{name.replace('_', '-')}"

    models = [field.name for field in dataclasses.fields(Model)]
    semantics = [field.name for field in dataclasses.fields(Semantics)]
    return {
        "seed": "seed",
        "device": "device",
        "epochs": "federation.rounds",
        "patience": "federation.patience",
        "evaluate_every": "federation.evaluate-every",
        **{name: key("model", name) for name in models if name not in _NOT_OF_ESTIMATORS},
        "loss": "loss.name",
        "negatives": "loss.negatives",
        "log_q": "loss.log-q",
        "own_history": "loss.own-history",
        "calibration": "loss.calibration",
        **{name: key("local", name) for name in _LOCAL},
        "schedule_epochs": "local.schedule-rounds",
        **{f"semantics_{name}": key("semantics", name) for name in semantics},
    }


KEYS = _keys()  # keyword -> key of the config
_ALONE = {  # one client that holds everybody, and counts items however few they are
    "partition.count": 1,
    "local.optimizer-state": "keep",
    "federation.share-counts-min-users": 1,
}
_FEDERATED = ("partition.", "federation.", "strategy.", "run.", "model.private", "data.source")
_PER_ROUND = ("local.epochs", "local.steps", "local.optimizer-state", "local.group-tokens")


def estimator_config(settings: Mapping[str, Value], hyperparameters: Mapping[str, Value]) -> Config:
    """The config of a model that is trained without a federation.

    It is the config of the centralised baseline: one partition with all users, whose epochs are
    rounds, under FedAvg.

    Args:
        settings: Dotted config keys, such as ``{"scenario.cold-items": 0.1}``.
        hyperparameters: Keywords of ``Hyperparameters``; they win over ``settings``.

    Raises:
        ConfigError: An unknown keyword or key (the nearest is named), a key that only a federation
            reads, or a value out of range.
    """
    if unknown := [
        _unknown(name, hyperparameters[name]) for name in hyperparameters if name not in KEYS
    ]:
        raise ConfigError(*unknown)
    for key in settings:
        is_read = key in KEYS.values()
        if not is_read and key.startswith((*_FEDERATED, *_PER_ROUND)):
            raise ConfigError(
                f"an estimator trains without a federation and does not read {key!r}; "
                "leave it out, or run fedrec.simulate"
            )
    values = {KEYS[name]: value for name, value in hyperparameters.items()}
    try:
        return read_config(_ALONE | dict(settings) | values)
    except ConfigError as error:
        names = {key: name for name, key in KEYS.items() if key not in settings}
        raise ConfigError(*(_as_keywords(line, names) for line in error.problems)) from error


def hyperparameters_of(config: Config) -> dict[str, Value]:
    """Keywords with their values where these are not the defaults; the inverse of the above."""
    flat, usual = flatten(config), flatten(Config())
    return {name: flat[key] for name, key in KEYS.items() if flat[key] != usual[key]}


def _as_keywords(problem: str, names: Mapping[str, str]) -> str:
    """A problem of config keys in the keywords that set them."""
    return re.sub(
        r"(?<![\w.-])[a-z]+\.[a-z][a-z0-9-]*(?![\w.:-])",
        lambda key: names.get(key[0], key[0]),
        problem,
    )


def _unknown(name: str, value: object) -> str:
    """What to write instead of a keyword that there is not."""
    keywords = {key: keyword for keyword, key in KEYS.items()}
    for old, new in RENAMED.items():
        if old.rpartition(".")[2] == name.replace("_", "-") and new in keywords:
            keyword = keywords[new]
            return f"hyperparameter {name!r} was renamed to {keyword!r}; set {keyword} = {value!r}"
    return f"unknown hyperparameter {name!r}; {_near(name)}"


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, KEYS, 3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"there are {', '.join(KEYS)}"
