"""From section ``model`` of a run config to a model with initial weights."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fedrec.config.sections.model import Model
from fedrec.config.values.choices import BASELINE_MODELS, MODELS, names_in, view_name
from fedrec.config.values.import_strings import import_string
from fedrec.errors import ConfigError
from fedrec.factory.own_model import check_class, checked
from fedrec.models.layers.bidirectional import BidirectionalTransformer
from fedrec.models.layers.fusion import make_fusion
from fedrec.models.layers.gru import GRUEncoder
from fedrec.models.layers.lstm import StackedLSTM
from fedrec.models.layers.neighbour_smoothing import NeighbourSmoothing
from fedrec.models.layers.time_aware import TimedTransformer
from fedrec.models.layers.transformer import CausalTransformer
from fedrec.models.layers.views import AdaptedView, IdentityView
from fedrec.models.parts import ROW_STD, ItemFeatures, ModelParts, torch_stream
from fedrec.models.recommender import Recommender
from fedrec.models.sessions.attentive_gru import AttentiveGRU
from fedrec.models.sessions.session_graph import SessionGraph
from fedrec.models.sessions.short_term_attention import ShortTermAttention
from fedrec.models.transformers.hstu import PointwiseTransformer
from fedrec.semantics.whitening import pca_rows


def build_model(
    settings: Model,
    *,
    num_items: int,
    semantic: np.ndarray | None,
    content: np.ndarray,
    frequency: np.ndarray,
    seed: int,
    users: np.ndarray | None = None,
    cold: Sequence[int] = (),
    own_views: Mapping[str, np.ndarray] | None = None,
    features: Callable[[], ItemFeatures] | None = None,
) -> Recommender:
    """The recommender that a config asks for, with weights drawn from the run's seed.

    Args:
        settings: Section ``model``.
        num_items: V.
        semantic: (V + 1, S) Frozen embedding table, or None without that view.
        content: (V + 1, C) Content features.
        frequency: (V + 1,) Training events per item, zeros where unknown.
        seed: Seed of the run.
        users: (U,) Global numbers of the users held here, for a model that has rows of users.
        cold: Items that no training sees. Beside other views, their ID embedding is what the text
            makes of it, or zero: untrained noise would weigh as much as a trained row.
        own_views: Import string of a user's own view -> its table (V + 1, S); see
            ``fedrec.factory.own_views``.
        features: Gives title words and genres; without it, no item has any.
    """
    stream = torch_stream(seed, "weights")
    rows = _identity_rows(settings, num_items, semantic, stream)
    encoder = _encoder(settings)

    def views() -> dict[str, nn.Module]:
        tables = {"semantic": semantic, "content": content, **(own_views or {})}
        return _views(settings, rows, tables, stream, cold)

    def fusion(num_views: int) -> nn.Module:
        # A stream of its own: another fusion leaves the other weights as they are.
        return make_fusion(
            settings.fusion, num_views, settings.width, torch_stream(seed, "weights", "gate")
        )

    model: Recommender
    if settings.name in MODELS:
        kind = import_string("model.name", MODELS[settings.name].home)
        model = kind.build(
            ModelParts(
                rows=rows,
                encoder=encoder,
                width=settings.width,
                hidden=settings.hidden,
                blocks=settings.blocks,
                seed=seed,
                users=np.empty(0, dtype=np.int64) if users is None else users,
                frequency=torch.from_numpy(frequency.astype(np.float32)),
                views=views,
                fusion=fusion,
                smoothing=NeighbourSmoothing(settings.neighbours, settings.neighbour_events)
                if settings.smooths
                else None,
                semantic=None if semantic is None else frozen_tensor(semantic),
                experts=settings.experts,
                features=features or (lambda: _no_features(num_items)),
            )
        )
    else:
        model = _own_model(settings, rows, encoder)
    _initialize(encoder, stream, settings.init_std)
    return model


def _views(
    settings: Model,
    rows: Tensor,
    tables: Mapping[str, np.ndarray | None],
    stream: torch.Generator,
    cold: Sequence[int],
) -> dict[str, nn.Module]:
    """The views of ``model.views`` by name, in their order."""
    norm = ROW_STD * math.sqrt(settings.width)
    views: dict[str, nn.Module] = {}
    for view in names_in(settings.views):
        if view == "identity":
            if settings.identity_start == "random" and settings.views != "identity":
                rows[np.asarray(cold, dtype=np.int64)] = 0
            views[view] = IdentityView(rows)
            continue
        table = tables.get(view)
        if table is None:
            raise ConfigError(f"model.views has {view!r}, but there is no table of it")
        views[view_name(view)] = AdaptedView(
            frozen_tensor(table), settings.width, norm=norm, generator=stream
        )
    return views


def _encoder(settings: Model) -> Any:
    kind = settings.encoder_kind
    width, blocks, hidden = settings.width, settings.blocks, settings.hidden
    if kind == "none":
        return nn.Identity()
    if kind == "gru":
        return GRUEncoder(width, blocks, hidden)
    if kind == "attentive-gru":
        return AttentiveGRU(width, blocks, hidden)
    if kind == "short-term":
        return ShortTermAttention(width)
    if kind == "pointwise":
        sizes = (width, blocks, settings.heads, settings.max_length)
        return PointwiseTransformer(*sizes, reads_times="relative" in names_in(settings.time))
    if kind == "session-graph":
        return SessionGraph(width, blocks)
    if kind == "lstm":  # it reads ID, title and genres side by side
        return StackedLSTM(width + 2 * max(1, width // 2), hidden)
    shape = (width, blocks, settings.heads, settings.max_length, hidden)
    block, positions = settings.block, settings.positions
    if kind == "bidirectional":
        return BidirectionalTransformer(*shape, block=block, positions=positions)
    if clues := names_in(settings.time):
        return TimedTransformer(*shape, clues=clues, block=block, positions=positions)
    return CausalTransformer(*shape, block=block, positions=positions)


def _no_features(num_items: int) -> ItemFeatures:
    """Items without title and genre."""
    blank = torch.zeros(num_items + 1, 1)
    return ItemFeatures(words=blank.long(), num_words=0, genres=blank)


def frozen_tensor(table: np.ndarray) -> Tensor:
    """A tensor over the same memory as a read-only array: shared, never written.

    torch warns that writing to it would be undefined; nothing does, and a test watches the bytes.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
        return torch.from_numpy(table)


def _identity_rows(
    settings: Model, num_items: int, semantic: np.ndarray | None, stream: torch.Generator
) -> Tensor:
    drawn = torch.randn(num_items + 1, settings.width, generator=stream) * ROW_STD
    drawn[0] = 0
    starts_from_text = settings.identity_start == "text" and settings.name not in BASELINE_MODELS
    if starts_from_text and semantic is not None:
        return torch.from_numpy(start_rows(semantic, settings.width))
    return drawn


def start_rows(
    semantic: np.ndarray, width: int, others: np.ndarray | None = None
) -> npt.NDArray[np.float32]:
    """Initial ID embeddings (V + 1, D) of semantic ones (V + 1, S); or (n, D) of ``others``."""
    return pca_rows(semantic, width, std=ROW_STD, others=others)


def _own_model(settings: Model, rows: Tensor, encoder: nn.Module) -> Recommender:
    kind = import_string("model.name", settings.name)
    if isinstance(kind, nn.Module) or not callable(kind):
        raise ConfigError(
            f"model.name {settings.name!r} must be a class or function that makes a model of item "
            f"rows and an encoder, got an instance of {type(kind).__name__}"
        )
    if isinstance(kind, type):
        check_class(kind)
    return checked(settings.name, kind(rows, encoder))


def _initialize(encoder: nn.Module, stream: torch.Generator, std: float) -> None:
    """Draw the encoder's weights from our own stream, never from the global one.

    By Xavier's rule (Glorot & Bengio, AISTATS 2010), or from N(0, std^2) as GPT-2 and BERT4Rec do.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Linear):
            if std > 0:
                nn.init.normal_(module.weight, std=std, generator=stream)
            else:
                nn.init.xavier_uniform_(module.weight, generator=stream)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, parameter in encoder.named_parameters():
        if name in ("positions", "mask"):
            nn.init.normal_(parameter, std=ROW_STD, generator=stream)
