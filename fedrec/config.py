"""The run config: frozen, typed sections, checked where they are made.

A run thus fails before its first round. The defaults live here; a test keeps
``[tool.flwr.app.config]`` in pyproject.toml equal to them. Keys are read in ``config_keys``.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from fedrec.checks import count, fraction, one_of, rate, require, share
from fedrec.errors import ConfigError

Value = int | float | bool | str

AMAZON = ("amazon-beauty-2014", "amazon-office-2018")  # nobody publishes them to be fetched
DATASETS = ("synthetic", "ml-1m", "ml-100k", "ml-latest-small", *AMAZON)  # names, never paths
VIEWS = ("identity", "semantic", "content")
REFERENCES = ("sasrec", "bert4rec", "gru4rec", "bpr-mf")  # of item identities alone
MODELS = ("hybrid", *REFERENCES)
MIXES = ("context", "fixed", "sum", "concat", "item", "attention")
ENCODERS = ("causal", "bidirectional", "gru")
QUERY_TIME = "+query-time"  # behind the name of a protocol: the model knows when it is asked
RUN_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DEVICE_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # reserved on Windows


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
        require(bool(self.source), "data.source", "a name or a path", self.source)
        count("data.min-item-events", self.min_item_events)
        count("data.min-user-events", self.min_user_events, 3)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is taken out of training, to see how a model does where data is scarce."""

    cold_items: float = 0.0  # share of the items that are never seen before they are a target
    few_shot_items: float = 0.0  # share of the items that are seldom seen in training
    few_shot_events: int = 5  # how often those are, at most
    history: int = 0  # events of a user before a target that are seen, the newest; 0: all
    keep: float = 1.0  # share of each user's training events that are seen

    def __post_init__(self) -> None:
        share("scenario.cold-items", self.cold_items)
        share("scenario.few-shot-items", self.few_shot_items)
        count("scenario.few-shot-events", self.few_shot_events)
        count("scenario.history", self.history, 0)
        fraction("scenario.keep", self.keep)
        if (both := self.cold_items + self.few_shot_items) > 1:
            raise ConfigError(
                f"scenario.cold-items and scenario.few-shot-items are shares of one catalogue and "
                f"must be at most 1 together, got {both:g}"
            )

    @property
    def hides_events(self) -> bool:
        """Whether anything is taken out."""
        return bool(self.cold_items or self.few_shot_items or self.history or self.keep < 1)


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Which users each SuperNode holds."""

    count: int = 10
    by: str = "uniform"
    alpha: float = 0.5  # of the Dirichlet of by = "taste"

    def __post_init__(self) -> None:
        count("partition.count", self.count)
        rate("partition.alpha", self.alpha)
        require(bool(self.by), "partition.by", "a rule or an attribute of the users", self.by)


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
        require(bool(self.encoder), "semantics.encoder", "an encoder's name", self.encoder)
        require(bool(names_in(self.fields)), "semantics.fields", "a list", self.fields)
        count("semantics.width", self.width)


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
    identity_start: str = "text"  # of identity rows in a hybrid; other models' start at random
    mix: str = "context"  # how the views of an item become one vector
    encoder: str = "causal"  # what reads a sequence of item vectors, in a hybrid
    time: str = ""  # what the encoder knows of times: "hour", "gap", "relative"
    mask_share: float = 0.2  # of the items that a bidirectional encoder has to guess
    private: str = ""

    def __post_init__(self) -> None:
        one_of("model.name", self.name, MODELS, dotted=True)
        for view in names_in(self.views):
            one_of("model.views", view, VIEWS)
        views = names_in(self.views)
        require(len(set(views)) == len(views) > 0, "model.views", "distinct views", self.views)
        for key in ("width", "blocks", "heads", "hidden", "max_length"):
            count(f"model.{key.replace('_', '-')}", getattr(self, key))
        if self.width % self.heads:
            raise ConfigError(
                f"model.heads must divide model.width, got {self.heads} and {self.width}"
            )
        share("model.dropout", self.dropout)
        share("model.identity-dropout", self.identity_dropout)
        one_of("model.identity-start", self.identity_start, ("text", "random"))
        one_of("model.mix", self.mix, MIXES)
        one_of("model.encoder", self.encoder, ENCODERS)
        for name in names_in(self.time):
            one_of("model.time", name, ("hour", "gap", "relative"))
        require(0 < self.mask_share < 1, "model.mask-share", "between 0 and 1", self.mask_share)
        for name in names_in(self.private):
            one_of("model.private", name, ("gate-bias", "identity"))
            self._check_private(name)
        if self.name != "hybrid" and self.encoder != "causal":
            raise ConfigError(
                f"model.encoder is a hybrid's, model.name = {self.name!r} has its own; leave it at "
                f"'causal' or set model.name = 'hybrid', got {self.encoder!r}"
            )
        if names_in(self.time) and (self.name, self.encoder) != ("hybrid", "causal"):
            raise ConfigError(
                "model.time needs model.name = 'hybrid' and model.encoder = 'causal', "
                f"got {self.name!r} and {self.encoder!r}"
            )
        if self.is_cloze and self.max_length < 2:
            raise ConfigError(
                "model.max-length must be 2 or more where items are hidden (one of them is the "
                f"item asked for), got {self.max_length}"
            )

    @property
    def is_cloze(self) -> bool:
        """Whether it learns to name hidden items."""
        return self.name == "bert4rec" or self.encoder == "bidirectional"

    @property
    def is_personalised(self) -> bool:
        """Whether clients keep a part without which the shared rest is still a model.

        Without its identity rows it is none: then there is one ranking, by what each client has.
        """
        return bool(self.private) and "identity" not in names_in(self.private)

    def _check_private(self, name: str) -> None:
        """Refuse what cannot stay with a client because the model does not have it."""
        if self.name in MODELS and self.name != "hybrid":
            raise ConfigError(f"model.private needs a gate; model.name = {self.name!r} has none")
        if name == "gate-bias" and self.mix != "context":
            raise ConfigError(
                "model.private = 'gate-bias' needs the bias of the gate, which only "
                f"model.mix = 'context' has, got {self.mix!r}"
            )
        if name == "identity" and "identity" not in names_in(self.views):
            raise ConfigError(
                "model.private = 'identity' needs identity rows, but model.views is "
                f"{self.views!r}; add identity to model.views or leave it out of model.private"
            )


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What training minimises."""

    name: str = "sampled-softmax"
    negatives: int = 256
    log_q: bool = True  # sampled-softmax: correct for how seldom an item is drawn
    calibration: float = 0.75  # t of gbce

    def __post_init__(self) -> None:
        one_of("loss.name", self.name, ("sampled-softmax", "softmax", "bce", "gbce", "bpr"))
        count("loss.negatives", self.negatives)
        require(0 <= self.calibration <= 1, "loss.calibration", "between 0 and 1", self.calibration)


@dataclass(frozen=True, kw_only=True)
class Local:
    """What one client does in one round."""

    epochs: int = 1
    steps: int = 0  # 0: whole epochs; else this many batches a round
    batch_size: int = 8
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    decay_rounds: int = 0  # rounds in which the rate falls in a straight line to 0; 0: it stays
    beta_1: float = 0.9
    beta_2: float = 0.98
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float = 0.0  # 0: no clipping of the local gradient
    optimizer_state: str = "keep"
    windows: int = 1  # of model.max-length targets in a user's history, newest first; 0: all
    group_tokens: int = 4096  # targets that are trained side by side, with unit = "user"

    def __post_init__(self) -> None:
        count("local.epochs", self.epochs)
        count("local.steps", self.steps, 0)
        count("local.batch-size", self.batch_size)
        one_of("local.optimizer", self.optimizer, ("adam", "adamw", "sgd"))
        rate("local.learning-rate", self.learning_rate)
        count("local.decay-rounds", self.decay_rounds, 0)
        share("local.beta-1", self.beta_1)
        share("local.beta-2", self.beta_2)
        rate("local.epsilon", self.epsilon)
        rate("local.weight-decay", self.weight_decay, positive=False)
        rate("local.clip-norm", self.clip_norm, positive=False)
        one_of("local.optimizer-state", self.optimizer_state, ("keep", "reset"))
        count("local.windows", self.windows, 0)
        count("local.group-tokens", self.group_tokens)


@dataclass(frozen=True, kw_only=True)
class Federation:
    """Who takes part, for how long, and when the global model is judged."""

    unit: str = "partition"  # who is a client: a partition, or every user
    rounds: int = 20
    fraction: float = 1.0  # of the partitions, a round
    cohort: int = 32  # users a round, with unit = "user"
    sampling: str = "fixed"  # "poisson": every user by itself, cohort of them on average
    weighting: str = "targets"  # of a user's update: its training targets, or "uniform"
    row_mean: str = "all"  # item rows: mean over all users, or over those who "touched" the row
    clip_norm: float = 0.0  # bound on the norm of a user's update; 0: none
    download: str = "float32"  # how weights are sent to users: "float16" rounds them
    upload: str = "float32"  # how a user's update is sent: "float16" and "int8" round it at random
    min_participation: float = 0.5
    drop_out: float = 0.0  # simulated: a chosen client is away this often, by the seed
    # Largest norm and loss of a reply, times the round's median; of a user's update, times the
    # norm of the sent weights.
    outlier_limit: float = 100.0
    evaluate_every: int = 1
    evaluate_fraction: float = 1.0
    patience: int = 0  # evaluations without a better NDCG@10 before stopping; 0: never
    round_timeout: float = 3600.0
    share_counts: bool = True

    def __post_init__(self) -> None:
        one_of("federation.unit", self.unit, ("partition", "user"))
        count("federation.rounds", self.rounds)
        fraction("federation.fraction", self.fraction)
        count("federation.cohort", self.cohort)
        one_of("federation.sampling", self.sampling, ("fixed", "poisson"))
        one_of("federation.weighting", self.weighting, ("targets", "uniform"))
        one_of("federation.row-mean", self.row_mean, ("all", "touched"))
        rate("federation.clip-norm", self.clip_norm, positive=False)
        one_of("federation.download", self.download, ("float32", "float16"))
        one_of("federation.upload", self.upload, ("float32", "float16", "int8"))
        fraction("federation.min-participation", self.min_participation)
        share("federation.drop-out", self.drop_out)
        limit = self.outlier_limit
        require(1 < limit < math.inf, "federation.outlier-limit", "a finite number above 1", limit)
        count("federation.evaluate-every", self.evaluate_every)
        fraction("federation.evaluate-fraction", self.evaluate_fraction)
        count("federation.patience", self.patience, 0)
        rate("federation.round-timeout", self.round_timeout)


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How updates become the next global model."""

    name: str = "fedavg"
    options: str = ""  # as in an inline table of TOML: 'proximal-mu = 0.01'

    def __post_init__(self) -> None:
        require(bool(self.name), "strategy.name", "a strategy", self.name)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How ranks are made and summed up."""

    protocol: str = "full"  # the first of several is the main one
    at: str = "5,10,20"
    resamples: int = 1000
    ncf_negatives: str = ""  # NCF's file for the protocol ncf-99

    def __post_init__(self) -> None:
        protocols = self.protocols
        require(bool(protocols), "evaluation.protocol", "a list of protocols", self.protocol)
        for name in protocols:
            one_of(
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
        count("evaluation.resamples", self.resamples)

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
    resume: bool = False  # go on from the last checkpoint in the folder, if it holds a run
    accept_code_change: bool = False  # resume under other code; run.json records it
    replay: str = ""  # a run's folder whose left-out replies are left out again: fedrec verify
    checkpoint_every: int = 5  # rounds; 0: never

    def __post_init__(self) -> None:
        check_run_name(self.name)
        count("run.checkpoint-every", self.checkpoint_every, 0)
        if self.resume and self.overwrite:
            raise ConfigError(
                "run.resume and run.overwrite contradict each other: one keeps what is in the "
                "folder, the other removes it; choose one"
            )


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
    scenario: Scenario = field(default_factory=Scenario)
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
        require(0 <= self.seed < 2**63, "seed", "a whole number from 0 to 2^63 - 1", self.seed)
        one_of("device", self.device, ("auto", "cpu", "cuda"))
        if self.model.name == "bpr-mf" and self.loss.name != "bpr":
            raise ConfigError(
                f"model.name = 'bpr-mf' is trained with loss.name = 'bpr', got {self.loss.name!r}"
            )
        for key, must in _misfits(self):
            section, name = key.replace("-", "_").split(".")
            raise ConfigError(
                f"{key} must be {must} with federation.unit = {self.federation.unit!r}, "
                f"got {getattr(getattr(self, section), name)!r}"
            )

    @property
    def protocol_names(self) -> tuple[str, ...]:
        """The protocols as results name them: what is told when it is asked, says so."""
        knows = "relative" in names_in(self.model.time)
        return tuple(name + QUERY_TIME * knows for name in self.evaluation.protocols)

    @property
    def most_targets(self) -> int | None:
        """Training targets of a user in one pass, at most; none if whole histories are read."""
        return self.local.windows * self.model.max_length or None


# Keys of section ``federation`` that say nothing of partitions, and what to use there.
OF_USERS = {
    "weighting": "",
    "clip_norm": "",
    "row_mean": "",
    "download": "",
    "upload": "",
    "sampling": "",
    "cohort": ", its default (federation.fraction says how many partitions take part)",
}


def _misfits(config: Config) -> Iterator[tuple[str, str]]:
    """Keys that do not go with who is a client, and what they must be."""
    plan, local = config.federation, config.local
    if plan.unit == "user":
        if config.model.name == "bpr-mf":
            yield "model.name", "another (its rows of users stay with them, who keep nothing)"
        if local.optimizer_state != "reset":
            yield "local.optimizer-state", "'reset'"
        if config.model.private:
            yield "model.private", "'' (a user keeps nothing between rounds)"
        if config.model.is_cloze:
            why = " (what is hidden is drawn for a partition's batches only)"
            if config.model.name == "bert4rec":
                yield "model.name", "'hybrid', 'sasrec' or 'gru4rec'" + why
            yield "model.encoder", "'causal' or 'gru'" + why
        if names_in(config.model.time):
            yield "model.time", "'' (times are read in a partition's batches only)"
        if local.clip_norm:
            yield "local.clip-norm", "0 (federation.clip-norm bounds a user's update)"
        if plan.row_mean == "touched" and config.strategy.name not in ("fedavg", "fedprox"):
            yield "federation.row-mean", "'all' (a server's optimiser scales rows by itself)"
        if plan.fraction != 1:
            yield "federation.fraction", "1 (federation.cohort says how many users take part)"
        if not local.steps and local.batch_size != Local().batch_size:
            yield (
                "local.batch-size",
                f"{Local().batch_size}, its default (without local.steps, a step is over all of a "
                "user's windows)",
            )
    else:
        for name, why in OF_USERS.items():
            default = getattr(Federation(), name)
            if getattr(plan, name) != default:
                shown = f"{default:g}" if isinstance(default, float) else repr(default)
                yield f"federation.{name.replace('_', '-')}", shown + why
        if local.group_tokens != Local().group_tokens:
            yield (
                "local.group-tokens",
                f"{Local().group_tokens}, its default (a partition's batches are "
                "local.batch-size users)",
            )
