"""Cases of the config fuzz: odd values of every key, keys that are none, plausible combinations."""

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedrec.config.config import Config
from fedrec.config.keys import flatten, toml_value
from fedrec.config.values import choices
from fedrec.config.values.checks import MOST_PASSES
from fedrec.randomness import generator

# A run of a second: 40 users, 60 items, one round.
TINY: dict[str, Any] = {
    "data.source": "synthetic:users=40,items=150",
    "data.min-item-events": 1,
    "semantics.encoder": "hashed",
    "semantics.width": 8,
    "model.width": 8,
    "model.hidden": 8,
    "model.blocks": 1,
    "model.max-length": 8,
    "loss.negatives": 8,
    "partition.count": 2,
    "federation.rounds": 1,
    "evaluation.resamples": 20,
    "device": "cpu",
}
USERS = {"federation.unit": "user", "federation.cohort": 6, "local.optimizer-state": "reset"}
WAYS = ("file", "set", "python")
KINDS = ("a key with an odd value", "a key that is none", "plausible settings together")

DEEP = "[" * 3000 + "]" * 3000
LONG = "x" * 100_000
WORDS: tuple[Any, ...] = (
    "", " ", "\0", "a\0b", "\ud800", "x\udcff", "ü€😀", LONG, "1" * 5000, ",", ",,,", "a,,b",
    " + ", "../..", "/", "/dev/zero", "/dev/null", "/proc/self/mem", "~", "nan", "1e5", "٣", "²",
    "None", "null", "true", "os:system", "os.path:join", "builtins:int", "no.such:thing", ":", "a:",
    ":b", "a:b:c", "json:dumps", "$HOME", "%s", "{}", "\\", "'", '"', "\n", "a\nb", "\x1b[31m",
    "-1", "--help", "=", "#", "x = 1", DEEP,
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, 1, 2, 3, 7, -1, 100, 10**4, 10**6, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**62, 2**63 - 1,
    2**63, 2**64, -(2**63), -(2**63) - 1, 10**400, -(10**400), 0.0, -0.0, 0.5, 1.0, 1.5, -0.5,
    5e-324, 1e-300, 1e-12, 1e300, 1e308, -1e308, math.nan, math.inf, -math.inf, 1 - 2**-53,
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    True, False, None, [], [1, 2], ["a"], [[[]]], {}, {"a": 1}, {"a": {"b": []}}, b"abc", 1j,
    datetime.date(2020, 2, 30 - 1), datetime.time(1, 2), object, (1, 2), {1}, range(3), np.int64(3),
    np.float32(0.5), np.array([1, 2]), np.float64("nan"), np.bool_(True), np.str_("text"),
)  # fmt: skip

LONG_WORK = ("local.steps", "local.epochs")
MOST_WORK = 10**4  # steps of a case that is to end in time

Plausible = Sequence[Any]
WHOLE_NUMBERS = (1, 2, 3, 5)
PLAUSIBLE: dict[str, Plausible] = {
    "seed": (0, 1, 2**63 - 1),
    "data.source": (
        "synthetic:users=12,items=30", "synthetic:users=40,items=150", "synthetic:users=7,items=20",
        "synthetic:users=20,items=30 + synthetic:users=20,items=40,seed=3",
    ),
    "data.min-item-events": (0, 1, 5),
    "data.min-user-events": (3, 5, 8),
    "data.top-items": (0, 12, 25),
    "data.sessions": ("", "day"),
    "scenario.cold-items": (0.0, 0.1, 0.5),
    "scenario.few-shot-items": (0.0, 0.2),
    "scenario.few-shot-events": (1, 2, 5),
    "scenario.history": (0, 2, 5),
    "scenario.keep": (0.01, 0.5, 1.0),
    "scenario.unseen-users": (0.0, 0.2, 0.45),
    "partition.count": (1, 2, 3, 7, 12),
    "partition.by": (
        "each", "uniform", "activity", "taste", "taste-semantic", "taste-co-occurrence", "genre",
    ),
    "partition.alpha": (0.01, 0.5, 100.0),
    "partition.clusters": (2, 3, 10, 1000),
    "semantics.fields": ("title", "genres", "year", "title,genres,year", "description"),
    "semantics.width": (1, 2, 8, 64),
    "semantics.whiten": (True, False),
    "semantics.shuffled": (True, False),
    "semantics.long-texts": choices.LONG_TEXTS,
    "semantics.signals-control": choices.SIGNAL_CONTROLS,
    # A language model takes minutes: lora is tried by odd values alone.
    "model.name": tuple(name for name in choices.MODELS if name != "lora"),
    "model.views": (
        "identity", "semantic", "content", "identity,semantic", "identity,content",
        "semantic,content", "content,identity,semantic",
    ),
    "model.width": (1, 2, 8, 12),
    "model.blocks": (1, 2),
    "model.heads": (1, 2),
    "model.hidden": (1, 8),
    "model.max-length": (1, 2, 8, 50),
    "model.dropout": (0.0, 0.2, 0.9),
    "model.identity-dropout": (0.0, 0.1, 0.9),
    "model.neighbours": (0, 1, 3, 200),
    "model.neighbour-events": (0.0, 4.0),
    "model.identity-start": choices.IDENTITY_STARTS,
    "model.fusion": choices.FUSIONS,
    "model.encoder": choices.ENCODERS,
    "model.block": choices.BLOCKS,
    "model.positions": choices.POSITIONS,
    "model.init-std": (0.0, 0.02),
    "model.time": ("", "hour", "gap", "relative", "hour,gap,relative"),
    "model.mask-share": (0.01, 0.2, 0.99),
    "model.experts": (1, 3, 8),
    "model.private": ("", "gate-bias", "identity", "gate-bias,identity"),
    "loss.name": choices.LOSSES,
    "loss.negatives": (1, 8, 19, 60),
    "loss.log-q": (True, False),
    "loss.own-history": choices.OWN_HISTORIES,
    "loss.calibration": (0.0, 0.5, 1.0),
    "local.epochs": (1, 2),
    "local.steps": (0, 1, 3),
    "local.batch-size": (1, 2, 8, 1000),
    "local.batches": choices.BATCHES,
    "local.optimizer": choices.OPTIMIZERS,
    "local.learning-rate": (1e-6, 2e-3, 0.1),
    "local.schedule-rounds": (0, 1, 5),
    "local.beta-1": (0.0, 0.9),
    "local.beta-2": (0.0, 0.999),
    "local.epsilon": (1e-12, 1e-8, 1.0),
    "local.weight-decay": (0.0, 0.1),
    "local.clip-norm": (0.0, 0.1),
    "local.optimizer-state": choices.OPTIMIZER_STATES,
    "local.windows": (0, 1, 2),
    "local.group-tokens": (1, 64, 4096),
    "federation.unit": choices.UNITS,
    "federation.rounds": (1, 2),
    "federation.fraction": (0.1, 0.5, 1.0),
    "federation.cohort": (1, 5, 12),
    "federation.sampling": choices.SAMPLINGS,
    "federation.weighting": choices.WEIGHTINGS,
    "federation.row-averaging": choices.ROW_AVERAGINGS,
    "federation.clip-norm": (0.0, 0.5),
    "federation.download": choices.DOWNLOAD_TYPES,
    "federation.upload": choices.UPLOAD_TYPES,
    "federation.min-participation": (0.1, 0.5),
    "federation.drop-out": (0.0, 0.2),
    "federation.outlier-limit": (1.5, 100.0),
    "federation.evaluate-every": (1, 2, 5),
    "federation.evaluate-fraction": (0.1, 0.5, 1.0),
    "federation.patience": (0, 1),
    "federation.share-counts": (True, False),
    "strategy.name": (
        "fedavg", "server-adam", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "qfedavg",
        "fedmedian", "fedtrimmedavg", "krum", "multikrum", "bulyan",
    ),
    "evaluation.protocol": ("full", "uniform-100", "uniform-99", "candidates-20", "popularity-100",
                            "full,uniform-99", "popularity-100,full"),
    "evaluation.at": ("10", "5,10", "10,20", "10,1"),
    "evaluation.users": (0, 3, 10),
    "evaluation.validation-users": (0, 4, 11),
    "evaluation.positions-from": (0, 1, 4),
    "evaluation.genre-jaccard": (True, False),
    "evaluation.resamples": (1, 20),
    "run.checkpoint-every": (0, 1, 5),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A config to be tried.

    Attributes:
        kind: One of ``KINDS``.
        way: How it is given: in a TOML file, by ``--set``, or as a dictionary in Python.
        changes: Dotted keys that differ from those of ``TINY``.
    """

    kind: str
    way: str
    changes: dict[str, Any]

    def title(self) -> str:
        """What is tried, in a line."""
        shown = ", ".join(f"{key} = {_short(value)}" for key, value in self.changes.items())
        return f"{self.way}: {shown}"


def draw_cases(number: int, seed: int) -> list[Case]:
    """Draw cases; every key has as many odd values as any other, up to one.

    Half of them have an odd value, a tenth name a key that is none, the others combine two to six
    plausible settings.
    """
    draw = generator(seed, "config fuzz")
    num_odd, num_unknown = number // 2, number // 10
    cases = [_odd(draw, place) for place in range(num_odd)]
    cases += [_unknown(draw) for _ in range(num_unknown)]
    cases += [_plausible(draw) for _ in range(number - num_odd - num_unknown)]
    return cases


def _odd(draw: np.random.Generator, place: int) -> Case:
    flat = flatten(Config())
    keys = list(flat)
    key = keys[place % len(keys)]
    value = _one(draw, _one(draw, [WORDS, NUMBERS, OTHERS, _near(flat[key], draw)]))
    if key in LONG_WORK and type(value) is int and value > MOST_WORK:
        value += MOST_PASSES  # a million passes are allowed, and take hours: one more is refused
    return Case(KINDS[0], _way(draw, value), {key: value})


def _near(usual: Any, draw: np.random.Generator) -> Sequence[Any]:
    """Values of a key's own type that are nearly right."""
    if isinstance(usual, bool):
        return [not usual, int(usual), str(usual).lower()]
    if isinstance(usual, int):
        return [*NUMBERS, usual + 1, float(usual), str(usual), -usual]
    if isinstance(usual, float):
        return [*NUMBERS, usual / 2, str(usual), int(usual) + 1]
    return [usual.upper(), f" {usual} ", f"{usual},{usual}", f"{usual},", usual[:-1], f"{usual}s"]


def _unknown(draw: np.random.Generator) -> Case:
    key = str(_one(draw, list(flatten(Config()))))
    section, _, name = key.rpartition(".")
    changes: list[Callable[[], str]] = [
        lambda: key.replace("-", "_"), lambda: key.upper(), lambda: name, lambda: key + "s",
        lambda: key[:-1], lambda: f"{section}.{section}.{name}", lambda: f"{key}.x",
        lambda: f" {key}", lambda: f"x.{name}", lambda: "", lambda: ".", lambda: "a" * 10_000,
        lambda: f"{key}\0", lambda: f"{key}\ud800", lambda: key.replace("e", "\u0435"),
        lambda: f"{key[1:2]}{key[:1]}{key[2:]}", lambda: "run", lambda: "model", lambda: "rounds",
    ]  # fmt: skip
    given = _one(draw, changes)()
    value = _one(draw, [1, 0.5, "x", True, flatten(Config())[key], [], {}])
    return Case(KINDS[1], _way(draw, value, given), {given: value})


def _plausible(draw: np.random.Generator) -> Case:
    number = int(draw.integers(2, 7))
    keys = [str(key) for key in draw.choice(list(PLAUSIBLE), number, replace=False)]
    base = USERS if draw.random() < 0.4 else {}
    chosen = {key: _one(draw, PLAUSIBLE[key]) for key in keys}
    return Case(KINDS[2], WAYS[int(draw.integers(3))], base | chosen)


def _way(draw: np.random.Generator, value: Any, key: str = "") -> str:
    """A way that can carry the value at all."""
    way = WAYS[int(draw.integers(3))]
    if way == "file" and (not _has_toml(value) or not _has_toml(key)):
        return "python"
    if way == "set" and (not isinstance(value, str | int | float) or "\0" in f"{key}{value}"[:99]):
        return "python"
    return way


def _has_toml(value: Any) -> bool:
    try:
        as_toml(value).encode()
    except (TypeError, ValueError):
        return False
    return True


def as_toml(value: Any) -> str:
    """A value as it stands in a TOML file."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_value(k)} = {as_toml(v)}" for k, v in value.items()) + "}"
    if value is None or not isinstance(value, bool | int | str):
        raise TypeError("not in TOML")
    return (
        toml_value(value)
        if not isinstance(value, int) or isinstance(value, bool)
        else _digits(value)
    )


def _digits(value: int) -> str:
    return str(value)


def _one(draw: np.random.Generator, values: Sequence[Any]) -> Any:
    return values[int(draw.integers(len(values)))]


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:40]}...{len(text)} characters"
