"""Section ``model`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.checks import Section, count, one_of, rate, require, share
from fedrec.config.choices import (
    BASELINE_MODELS,
    ENCODERS,
    FUSIONS,
    IDENTITY_STARTS,
    MODELS,
    PRIVATE_PARTS,
    TIME_FEATURES,
    VIEWS,
    names_in,
    view_name,
)


@dataclass(frozen=True, kw_only=True)
class Model(Section):
    """The recommender and its hyperparameters."""

    name: str = "hybrid"
    views: str = "identity,semantic,content"
    width: int = 64
    blocks: int = 2
    heads: int = 1
    hidden: int = 256
    max_length: int = 200
    dropout: float = 0.2
    identity_dropout: float = 0.1
    neighbours: int = 0  # by semantic similarity, over which cold items are smoothed; 0: none
    neighbour_events: float = 4.0  # training events that they count for; 0: for unseen items alone
    identity_start: str = "text"  # of ID embeddings in a hybrid; other models' start at random
    fusion: str = "context"  # how the views of an item become one item embedding
    encoder: str = "causal"  # sequence encoder of a hybrid
    time: str = ""  # time features of the encoder: "hour", "gap", "relative"
    mask_share: float = 0.2  # of the items that a bidirectional encoder has to guess
    private: str = ""

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield one_of("model.name", self.name, tuple(MODELS), or_code=True)
        views = names_in(self.views)
        for view in views:
            yield one_of("model.views", view, VIEWS, or_code=True)
        yield require(
            len({view_name(view) for view in views}) == len(views) > 0,
            "model.views",
            "distinct views",
            self.views,
        )
        for key in ("width", "blocks", "heads", "hidden", "max_length"):
            yield count(f"model.{key.replace('_', '-')}", getattr(self, key))
        if self.heads > 0 and self.width % self.heads:
            yield f"model.heads must divide model.width, got {self.heads} and {self.width}"
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
    def is_cloze(self) -> bool:
        """Whether it is trained by the Cloze objective: it learns to name hidden items."""
        own = MODELS[self.name].encoder if self.name in MODELS else ""
        return (own or self.encoder) == "bidirectional"

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
        return bool(self.private) and "identity" not in names_in(self.private)

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
        if names_in(self.time) and (self.name, self.encoder) != ("hybrid", "causal"):
            yield (
                "model.time needs model.name = 'hybrid' and model.encoder = 'causal', "
                f"got {self.name!r} and {self.encoder!r}"
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
