"""Hybrid recommender: views of an item, a context gate, a sequence encoder, tied output."""

import math
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from fedrec.models.layers.encoder import SequenceEncoder, TrainingTask, read
from fedrec.models.layers.gate import gate_features, running_mean
from fedrec.models.layers.neighbour_smoothing import NeighbourSmoothing
from fedrec.models.parts import ModelParts
from fedrec.models.recommender import ItemTable, Recommender


class Hybrid(Recommender):
    """Sequential recommender over any subset of the views identity, semantic and content.

    At the input, the gate weighs the views of each item by the sequence before it. At the output,
    the same views and the same gate, without a context, make one embedding per item: the
    catalogue is scored by a single matrix product (tied weights).

    Args:
        views: Name -> module giving (..., D) for item numbers (...); at least one.
        gate: Fusion of an item's views into one vector: ``ContextGate`` or another of
            ``fedrec.models.layers.fusion``.
        encoder: Sequence encoder from (B, L, D) to states (B, L, D).
        width: D.
        frequency: (V + 1,) Training events per item over all clients, zeros where unknown.
        smoothing: Smoothing of cold items after training, if they are not scored by their own
            vector; it needs the semantic view.
    """

    frequency: Tensor

    def __init__(
        self,
        views: Mapping[str, nn.Module],
        gate: nn.Module,
        encoder: SequenceEncoder,
        *,
        width: int,
        frequency: Tensor,
        smoothing: NeighbourSmoothing | None = None,
    ) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.views = nn.ModuleDict(views)
        self.gate = gate
        self.encoder = encoder
        self.scale = math.sqrt(width)
        self.register_buffer("frequency", frequency, persistent=False)

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of all views of an item."""
        views = parts.views()
        return cls(
            views,
            parts.fusion(len(views)),
            parts.encoder,
            width=parts.width,
            frequency=parts.frequency,
            smoothing=parts.smoothing,
        )

    @property
    def view_names(self) -> tuple[str, ...]:
        """Names of the views, in the order of the gate's weights."""
        return tuple(self.views)

    @property
    def task(self) -> TrainingTask:
        """Training task of its encoder."""
        return self.encoder.task

    @property
    def needs_times(self) -> bool:
        """Whether its encoder reads times."""
        return self.encoder.needs_times

    @property
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""
        return self.encoder.num_dropout_masks

    @property
    def histories_together(self) -> int:
        """As many as its encoder needs, or as any would."""
        return getattr(self.encoder, "histories_together", super().histories_together)

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """ID embeddings, frozen tables and item frequencies."""
        per_view = {"identity": "rows"}
        views = (f"views.{name}.{per_view.get(name, 'table')}" for name in self.views)
        return (*views, "frequency")

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """The N views and the frequency of items (K,).

        Items marked in ``unknown`` (K,) lose their identity row and count as never seen. Training
        marks a few at random (identity dropout), which teaches the gate what a cold item needs.
        """
        views = {name: view(items) for name, view in self.views.items()}
        frequency = self.frequency[items]
        if unknown is not None:
            known = (~unknown).to(frequency.dtype)
            frequency = frequency * known
            if "identity" in views:
                views["identity"] = views["identity"] * known.unsqueeze(-1)
        return ItemTable(torch.stack(list(views.values()), dim=1), frequency)

    def output_vectors(self, table: ItemTable) -> Tensor:
        """One output embedding (K, D) per item: its views fused without a context."""
        return self._fused(table)[0]

    def output_weights(self, table: ItemTable) -> Tensor:
        """Weights (K, N) of the views in the output embedding of each item."""
        return self._fused(table)[1]

    def _fused(self, table: ItemTable) -> tuple[Tensor, Tensor]:
        features = gate_features(table.frequency, torch.zeros_like(table.frequency))
        fused: tuple[Tensor, Tensor] = self.gate(table.views, None, features)
        return fused

    def smoothed(self, items: Tensor, vectors: Tensor) -> Tensor:
        """The embeddings (K, D), those of cold items smoothed over their semantic neighbours."""
        if self.smoothing is None:
            return vectors
        return self.smoothing(
            items,
            vectors,
            semantic=self.views["semantic"].get_buffer("table"),
            frequency=self.frequency,
            vectors_of=lambda others: self.output_vectors(self.look_up(others)),
        )

    def encode(
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
        *,
        last: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """States (B, L, D) or last ones (B, D), and gate weights (B, L, N); see Recommender."""
        views = table.views[indices]
        is_seen = indices > 0 if self.task == "cloze" else None
        context = running_mean(views.mean(dim=2), is_seen) * self.scale
        before = torch.arange(indices.shape[1], device=indices.device, dtype=views.dtype)
        features = gate_features(table.frequency[indices], before.expand(indices.shape))
        mixed, weights = self.gate(views, context, features)
        states = read(
            self.encoder, mixed * self.scale, indices, lengths, dropout_masks, times, last=last
        )
        return states, weights
