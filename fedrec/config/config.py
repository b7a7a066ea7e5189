"""The run config: all sections together, and checks across them.

A run thus fails before its first round. The defaults live in the sections; a test keeps
``[tool.flwr.app.config]`` in pyproject.toml equal to them. Keys are read in ``fedrec.config.keys``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from fedrec.config.sections.data import Data
from fedrec.config.sections.dualrec import Dualrec
from fedrec.config.sections.evaluation import Evaluation
from fedrec.config.sections.federation import Federation
from fedrec.config.sections.local import Local
from fedrec.config.sections.lora import Lora
from fedrec.config.sections.loss import Loss
from fedrec.config.sections.model import Model
from fedrec.config.sections.partition import Partition
from fedrec.config.sections.run import Run
from fedrec.config.sections.scenario import Scenario
from fedrec.config.sections.semantics import Semantics
from fedrec.config.sections.strategy import Strategy
from fedrec.config.values.checks import one_of, refuse, require
from fedrec.config.values.choices import (
    BASELINE_MODELS,
    DEVICES,
    LOSSES_OF_USERS,
    OF_TEXT,
    OF_USERS,
    names_in,
    protocol_suffix,
    reads_signals,
    vectors_file,
)

Value = int | float | bool | str


@dataclass(frozen=True, kw_only=True)
class Config:
    """Configuration of a run.

    Attributes:
        written: Keys that the user set; the others may follow the data.
        adapted: Lines that say which keys do, and why.
    """

    seed: int = 0
    device: str = "auto"
    data: Data = field(default_factory=Data)
    scenario: Scenario = field(default_factory=Scenario)
    partition: Partition = field(default_factory=Partition)
    semantics: Semantics = field(default_factory=Semantics)
    model: Model = field(default_factory=Model)
    lora: Lora = field(default_factory=Lora)
    dualrec: Dualrec = field(default_factory=Dualrec)
    loss: Loss = field(default_factory=Loss)
    local: Local = field(default_factory=Local)
    federation: Federation = field(default_factory=Federation)
    strategy: Strategy = field(default_factory=Strategy)
    evaluation: Evaluation = field(default_factory=Evaluation)
    run: Run = field(default_factory=Run)
    written: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    adapted: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        refuse(self.problems())

    def problems(self) -> Iterator[str]:
        """Check the keys of no section and what of one section does not go with another."""
        yield require(
            0 <= self.seed < 2**63, "seed", "a whole number from 0 to 2^63 - 1", self.seed
        )
        yield one_of("device", self.device, DEVICES)
        name = self.model.name
        if name in OF_USERS and self.loss.name not in LOSSES_OF_USERS:
            yield (
                f"model.name = {name!r} is trained with loss.name = 'bpr', 'bce' or 'gbce', got "
                f"{self.loss.name!r}"
            )
        if name in OF_USERS and self.scenario.unseen_users:
            yield (
                f"scenario.unseen-users must be 0 for model.name = {name!r}, which knows a user by "
                f"a row that training makes, got {self.scenario.unseen_users:g}"
            )
        if self.evaluation.validation_users and self.scenario.hides_events:
            yield (
                "evaluation.validation-users must be 0 with scenario.*, whose training views hold "
                f"all validation items out, got {self.evaluation.validation_users}"
            )
        yield from self._session_problems()
        yield from self._positions_problems()
        yield from self._lora_problems()
        yield from self._file_view_problems()
        yield from self.lacking_counts(self.federation.why_no_counts())
        for key, must in _misfits(self):
            section, name = key.replace("-", "_").split(".")
            yield (
                f"{key} must be {must} with federation.unit = {self.federation.unit!r}, "
                f"got {getattr(getattr(self, section), name)!r}"
            )

    def _session_problems(self) -> Iterator[str]:
        """A protocol that knows persons, where a user is a session of one."""
        if self.data.sessions and "ncf-99" in self.evaluation.protocols:
            yield "evaluation.protocol = 'ncf-99' is about persons; leave data.sessions out"

    def _file_view_problems(self) -> Iterator[str]:
        """Views and text fields without their file, and files that nothing reads."""
        semantics = self.semantics
        is_baseline = self.model.name in BASELINE_MODELS  # reads no view
        if is_baseline and self.model.name not in OF_TEXT:
            return
        views = () if is_baseline else names_in(self.model.views)
        named = {"model.views": views, "semantics.fields": names_in(semantics.fields)}
        reading = [(key, one) for key, names in named.items() for one in names]
        signals = [(key, one) for key, one in reading if reads_signals(one)]
        if signals and not semantics.signals:
            key, one = signals[0]
            yield f"{key} names {one!r}, which needs a file of signals in semantics.signals"
        if semantics.signals and not signals:
            yield (
                "semantics.signals is read by nothing: name signal-KIND or signals-mean in "
                f"model.views, or signal-KIND in semantics.fields; got {semantics.signals!r}"
            )
        wanted = {vectors_file(view) for view in views} - {""}
        for name in sorted(wanted - semantics.vector_files.keys()):
            yield (
                f"model.views names 'vectors-{name}', but semantics.vectors has no file "
                f"{name}.npy, {name}.npz or {name}.parquet, got {semantics.vectors!r}"
            )
        for name in sorted(semantics.vector_files.keys() - wanted):
            yield (
                f"semantics.vectors is read by nothing: name 'vectors-{name}' in model.views, got "
                f"{semantics.vector_files[name]!r}"
            )

    def _lora_problems(self) -> Iterator[str]:
        """What does not go with a language model, which ranks candidates alone."""
        if self.model.name != "lora":
            return
        for protocol in self.evaluation.protocols:
            if protocol == "full":
                yield (
                    "evaluation.protocol must be sampled candidates such as 'candidates-20' with "
                    f"model.name = 'lora' (every title costs a pass), got {protocol!r}"
                )
        if self.federation.unit != "partition":
            yield (
                "federation.unit must be 'partition' with model.name = 'lora', got "
                f"{self.federation.unit!r}"
            )
        if self.evaluation.positions_from:
            yield (
                "evaluation.positions-from must be 0 with model.name = 'lora', got "
                f"{self.evaluation.positions_from}"
            )
        if self.lora.aggregation == "svd" and self.strategy.name != "lora-svd":
            yield (
                "strategy.name must be 'lora-svd' with lora.aggregation = 'svd', got "
                f"{self.strategy.name!r}"
            )
        if self.lora.aggregation != "svd" and self.strategy.name == "lora-svd":
            yield (
                "lora.aggregation must be 'svd' with strategy.name = 'lora-svd', got "
                f"{self.lora.aggregation!r}"
            )

    def _positions_problems(self) -> Iterator[str]:
        """What does not go with every position of unseen users, which are read whole."""
        if not self.evaluation.positions_from:
            return
        if not self.scenario.unseen_users:
            yield (
                "evaluation.positions-from must be 0 without scenario.unseen-users (most "
                f"positions of other users are trained on), got {self.evaluation.positions_from}"
            )
        elif self.scenario != Scenario(unseen_users=self.scenario.unseen_users):
            yield (
                "evaluation.positions-from must be 0 where scenario.* hides more than users, "
                f"got {self.evaluation.positions_from}"
            )
        if names_in(self.model.time):
            yield (
                "evaluation.positions-from must be 0 with model.time, "
                f"got {self.evaluation.positions_from}"
            )

    def lacking_counts(self, why: str) -> Iterator[str]:
        """What cannot be done where no client tells counts per item, one line each.

        Args:
            why: The keys by which none does, as ``Federation.why_no_counts`` tells; "" for no line.
        """
        if why and self.model.smooths:
            yield (
                f"model.neighbours must be 0 with {why}: which items are cold is then unknown, "
                f"got {self.model.neighbours}"
            )
        if why and "popularity-100" in self.evaluation.protocols:
            yield (
                f"evaluation.protocol must be another than 'popularity-100' with {why}: it draws "
                f"items by their counts, got {self.evaluation.protocol!r}"
            )

    @property
    def protocol_names(self) -> tuple[str, ...]:
        """The protocols as results name them, with "+query-time" where the model is given that.

        Where a sample of users is evaluated, "+500-users" says so, and "+512-validation-users"
        where the validation items of all others are trained on.
        """
        behind = protocol_suffix(
            self.evaluation.users,
            self.evaluation.validation_users,
            knows_time="relative" in names_in(self.model.time),
        )
        return tuple(name + behind for name in self.evaluation.protocols)

    @property
    def most_targets(self) -> int | None:
        """Training targets of a user in one pass, at most; none if whole histories are read."""
        return self.local.windows * self.model.max_length or None


# Keys of section ``federation`` that say nothing of partitions, and what to use there.
USER_KEYS = {
    "weighting": "",
    "clip_norm": "",
    "row_averaging": "",
    "download": "",
    "upload": "",
    "sampling": "",
    "cohort": ", its default (federation.fraction says how many partitions take part)",
}


def _misfits(config: Config) -> Iterator[tuple[str, str]]:
    """Keys that contradict the client granularity, and what they must be."""
    plan, local = config.federation, config.local
    if plan.unit == "user":
        if config.model.name in OF_USERS:
            yield "model.name", "another (its rows of users are private, and users keep no state)"
        if local.optimizer_state != "reset":
            yield "local.optimizer-state", "'reset'"
        if names_in(config.model.private):
            yield "model.private", "'' (a user keeps no state between rounds)"
        if config.model.is_cloze:
            why = " (what is hidden is drawn for a partition's batches only)"
            if config.model.name == "bert4rec":
                yield "model.name", "'hybrid', 'sasrec' or 'gru4rec'" + why
            yield "model.encoder", "'causal' or 'gru'" + why
        if names_in(config.model.time):
            yield "model.time", "'' (times are read in a partition's batches only)"
        if local.clip_norm:
            yield "local.clip-norm", "0 (federation.clip-norm bounds a user's update)"
        if plan.row_averaging == "sparse" and config.strategy.name not in ("fedavg", "fedprox"):
            yield "federation.row-averaging", "'all' (a server's optimiser scales rows by itself)"
        if plan.fraction != 1:
            yield "federation.fraction", "1 (federation.cohort says how many users take part)"
        if not local.steps and local.batch_size != Local().batch_size:
            yield (
                "local.batch-size",
                f"{Local().batch_size}, its default (without local.steps, a step is over all of a "
                "user's windows)",
            )
    else:
        for name, why in USER_KEYS.items():
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
