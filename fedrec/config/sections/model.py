"""Section ``model`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, one_of, rate, require, share
from fedrec.config.values.choices import (
    BASELINE_MODELS,
    BLOCKS,
    ENCODERS,
    FUSIONS,
    IDENTITY_STARTS,
    MODELS,
    POSITIONS,
    PRIVATE_PARTS,
    SIGNALS_MEAN,
    TIME_FEATURES,
    TRANSFORMERS,
    VIEWS,
    names_in,
    reads_signals,
    vectors_file,
    view_name,
)


@dataclass(frozen=True, kw_only=True)
class Model(Section):
    """The recommender and its hyperparameters."""

    # Hybrid, a baseline model of ID embeddings alone, or "package.module:name".
    name: str = "hybrid"
    # What an item embedding of a hybrid is fused from, comma-separated: also signal-KIND,
    # signals-mean and vectors-NAME (see semantics.signals and semantics.vectors).
    views: str = "identity,semantic,content"
    width: int = 64  # size of an item embedding and of the encoder's states
    blocks: int = 2  # layers of the encoder
    heads: int = 1  # attention heads of a layer
    hidden: int = 256  # size of the feed-forward layer
    block: str = "pre-norm"  # kind of a transformer's blocks
    positions: str = "from-last"  # item of a sequence from which its positions are counted
    # Standard deviation of the encoder's initial weights; 0: Xavier's, by the size of a layer.
    init_std: float = 0.0
    max_length: int = 200  # newest items of a sequence that the encoder reads
    dropout: float = 0.2  # dropout rate of embeddings and layers
    # Share of the items that lose their ID embedding in a step, so that cold items work.
    identity_dropout: float = 0.1
    # Semantic neighbours that a cold item embedding is smoothed over; 0: no smoothing.
    neighbours: int = 0
    # Training events that the neighbours count for; 0: for unseen items alone.
    neighbour_events: float = 4.0
    # Where ID embeddings of a hybrid start; those of other models start at random.
    identity_start: str = "text"
    fusion: str = "context"  # how the views of an item become one embedding; context is the gate
    encoder: str = "causal"  # what reads the sequence of item embeddings, in a hybrid
    time: str = ""  # what the encoder knows of times, comma-separated
    # Share of the items that are masked where the model learns to name masked items.
    mask_share: float = 0.2
    experts: int = 8  # experts of the adaptor that a model of texts (unisrec) mixes
    private: str = ""  # parameters that stay with the client, comma-separated

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield one_of("model.name", self.name, tuple(MODELS), or_code=True)
        views = names_in(self.views)
        for view in views:
            if not reads_signals(view) and not vectors_file(view):
                yield one_of("model.views", view, (*VIEWS, SIGNALS_MEAN), or_code=True)
        yield require(
            len({view_name(view) for view in views}) == len(views) > 0,
            "model.views",
            "distinct views",
            self.views,
        )
        for key in ("width", "blocks", "heads", "hidden", "max_length", "experts"):
            yield count(f"model.{key.replace('_', '-')}", getattr(self, key))
        if self.heads > 0 and self.width % self.heads:
            yield f"model.heads must divide model.width, got {self.heads} and {self.width}"
        yield one_of("model.block", self.block, BLOCKS)
        yield one_of("model.positions", self.positions, POSITIONS)
        is_std = 0 <= self.init_std <= 1
        yield require(is_std, "model.init-std", "between 0 and 1", self.init_std)
        yield share("model.dropout", self.dropout)
        yield share("model.identity-dropout", self.identity_dropout)
        yield count("model.neighbours", self.neighbours, 0)
        yield rate("model.neighbour-events", self.neighbour_events, positive=False)
        yield one_of("model.identity-start", self.identity_start, IDENTITY_STARTS)
        yield one_of("model.fusion", self.fusion, FUSIONS)
        yield one_of("model.encoder", self.encoder, ENCODERS)
        for name in names_in(self.time):
            yield one_of("model.time", name, TIME_FEATURES)
        is_share = 0 < self.mask_share < 1
        yield require(is_share, "model.mask-share", "between 0 and 1", self.mask_share)
        for name in names_in(self.private):
            yield one_of("model.private", name, PRIVATE_PARTS) or self._private_problem(name)
        yield from self._contradictions()

    @property
    def encoder_kind(self) -> str:
        """Name of the sequence encoder: the model's own, or ``model.encoder``."""
        own = MODELS[self.name].encoder if self.name in MODELS else ""
        return own or self.encoder

    @property
    def is_cloze(self) -> bool:
        """Whether it is trained by the Cloze objective: it learns to name hidden items."""
        return self.encoder_kind == "bidirectional"

    @property
    def smooths(self) -> bool:
        """Whether embeddings of cold items are smoothed over their semantic neighbours.

        It needs trained ID embeddings that are shared: those that stay with a client are not used.
        """
        views, private = names_in(self.views), names_in(self.private)
        has_both = {"identity", "semantic"} <= set(views) and self.name == "hybrid"
        return bool(self.neighbours) and has_both and "identity" not in private

    @property
    def is_personalised(self) -> bool:
        """Whether clients keep a part without which the shared rest is still a model.

        Without its ID embeddings it is none: then there is one ranking, by what each client has.
        """
        return bool(names_in(self.private)) and "identity" not in names_in(self.private)

    def _contradictions(self) -> Iterator[str]:
        """Keys of this section that do not go together."""
        if self.name != "hybrid" and self.encoder != "causal":
            yield (
                f"model.encoder is a hybrid's, model.name = {self.name!r} has its own; leave it at "
                f"'causal' or set model.name = 'hybrid', got {self.encoder!r}"
            )
        if self.name in BASELINE_MODELS and self.fusion != "context":
            yield (
                f"model.fusion is a hybrid's, model.name = {self.name!r} has one view; leave it at "
                f"'context' or set model.name = 'hybrid', got {self.fusion!r}"
            )
        is_transformer = self.encoder_kind in TRANSFORMERS
        for key, value, plain in (
            ("block", self.block, "pre-norm"),
            ("positions", self.positions, "from-last"),
        ):
            if value != plain and not is_transformer:
                yield (
                    f"model.{key} is a transformer's, which this model has not; leave it at "
                    f"{plain!r}, got {value!r}"
                )
        if self.encoder_kind == "lstm" and self.blocks != 2:
            yield f"model.blocks must be 2 for model.name = {self.name!r}, got {self.blocks}"
        if self.init_std and self.encoder_kind == "none":
            yield (
                f"model.init-std is of an encoder, which {self.name} has not, got {self.init_std:g}"
            )
        if self.name == "hstu":
            if self.time not in ("", "relative"):
                yield f"model.time must be '' or 'relative' for a model 'hstu', got {self.time!r}"
        elif names_in(self.time) and (self.name, self.encoder) != ("hybrid", "causal"):
            yield (
                "model.time needs model.name = 'hybrid' and model.encoder = 'causal', or "
                f"model.name = 'hstu', got {self.name!r} and {self.encoder!r}"
            )
        if self.is_cloze and self.max_length == 1:
            yield (
                "model.max-length must be 2 or more where items are hidden (one of them is the "
                f"item asked for), got {self.max_length}"
            )

    def _private_problem(self, name: str) -> str:
        """Refuse what cannot stay with a client because the model does not have it."""
        if self.name in MODELS and self.name != "hybrid":
            return f"model.private needs a gate; model.name = {self.name!r} has none"
        if name == "gate-bias" and self.fusion != "context":
            return (
                "model.private = 'gate-bias' needs the bias of the gate, which only "
                f"model.fusion = 'context' has, got {self.fusion!r}"
            )
        if name == "identity" and "identity" not in names_in(self.views):
            return (
                "model.private = 'identity' needs ID embeddings, but model.views is "
                f"{self.views!r}; add identity to model.views or leave it out of model.private"
            )
        return ""
