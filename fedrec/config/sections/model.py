"""Section ``model`` of the run config."""

from dataclasses import dataclass

from fedrec.config.checks import count, one_of, rate, require, share
from fedrec.config.choices import ENCODERS, MIXES, MODELS, REFERENCES, VIEWS, names_in
from fedrec.errors import ConfigError


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
    neighbours: int = 0  # like in meaning, from which items that are hardly seen borrow; 0: none
    neighbour_events: float = 4.0  # training events that they count for; 0: for unseen items alone
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
        count("model.neighbours", self.neighbours, 0)
        rate("model.neighbour-events", self.neighbour_events, positive=False)
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
        if self.name in REFERENCES and self.mix != "context":
            raise ConfigError(
                f"model.mix is a hybrid's, model.name = {self.name!r} has one view; leave it at "
                f"'context' or set model.name = 'hybrid', got {self.mix!r}"
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
    def lends(self) -> bool:
        """Whether items that are hardly seen borrow vectors from those like them in meaning.

        Who has no trained row has nothing to borrow; rows that stay with a client are not lent.
        """
        views, private = names_in(self.views), names_in(self.private)
        has_both = {"identity", "semantic"} <= set(views) and self.name == "hybrid"
        return bool(self.neighbours) and has_both and "identity" not in private

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
