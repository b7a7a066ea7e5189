"""UniSRec: a transformer over texts of items, adapted by a mixture of whitening experts.

Hou et al., KDD 2022. With the frozen vector x of an item's text, its embedding is

    v = sum over G experts of g_k (x - b_k) W_k,   g = softmax(x W_g)

and a history scores an item by cosine(state, v) / tau. "unisrec" knows items by text alone (the
paper's inductive setting, in which any catalogue can be scored); "unisrec-id" adds a trained row to
v (the transductive one). Adaptor and transformer are shared, texts are frozen and never sent.

As everywhere here, the encoder is that of ``model.block``, and every position is a target. Left out
are what the paper adds in training alone: noise on the gate, which begins at 0 there, and dropout
of x; and pre-training over several domains with contrastive losses.
"""

import math
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.errors import ConfigError
from fedrec.models.layers.encoder import SequenceEncoder, read
from fedrec.models.parts import ROW_STD, ModelParts, torch_stream
from fedrec.models.recommender import ItemTable, Recommender

TEMPERATURE = 0.07  # tau, as in the authors' code


class WhiteningExperts(nn.Module):
    """Mixture of G parametric whitenings of frozen vectors.

    The centre b_k of an expert acts through b_k W_k alone: minus that is its bias here.

    Args:
        table: (V + 1, S) Frozen vectors, by which the initial size is set.
        width: D.
        experts: G.
        stream: Stream of the initial weights.
    """

    def __init__(self, table: Tensor, width: int, experts: int, *, stream: torch.Generator) -> None:
        super().__init__()
        size = table.shape[1]
        self.width = width
        self.experts = nn.Linear(size, experts * width)
        self.gate = nn.Linear(size, experts, bias=False)
        nn.init.normal_(self.experts.weight, generator=stream)
        nn.init.zeros_(self.experts.bias)
        nn.init.zeros_(self.gate.weight)
        with torch.no_grad():  # embeddings start at the norm of ID embeddings
            started = self(table[1:]).square().sum(dim=-1).mean().sqrt()
            if started > 0:
                self.experts.weight.mul_(ROW_STD * math.sqrt(width) / started.clamp(min=1e-12))

    def forward(self, texts: Tensor) -> Tensor:
        """Embeddings (K, D) of texts (K, S)."""
        shares = self.gate(texts).softmax(dim=-1)
        whitened = self.experts(texts).view(*shares.shape, self.width)
        return torch.einsum("kg,kgd->kd", shares, whitened)


class UniSRec(Recommender):
    """Sequence encoder over adapted texts, which scores by the cosine.

    Args:
        table: (V + 1, S) Frozen vectors of the items' texts, row 0 zero.
        encoder: Sequence encoder from (B, L, D) to states (B, L, D).
        width: D.
        experts: G.
        stream: Stream of the adaptor's initial weights.
    """

    table: Tensor

    def __init__(
        self,
        table: Tensor,
        encoder: SequenceEncoder,
        *,
        width: int,
        experts: int,
        stream: torch.Generator,
    ) -> None:
        super().__init__()
        self.register_buffer("table", table, persistent=False)
        self.adaptor = WhiteningExperts(table, width, experts, stream=stream)
        self.encoder = encoder
        self.scale = math.sqrt(width)

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of the frozen embedding table.

        Raises:
            ConfigError: There is none.
        """
        if parts.semantic is None:
            raise ConfigError(
                "model.name = 'unisrec' needs a frozen embedding table; there is none"
            )
        return cls(
            parts.semantic,
            parts.encoder,
            width=parts.width,
            experts=parts.experts,
            stream=torch_stream(parts.seed, "weights", "unisrec"),
        )

    @property
    def view_names(self) -> tuple[str, ...]:
        """One view: what the texts are adapted to."""
        return ("semantic",)

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
        """The frozen table."""
        return ("table",)

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """Adapted texts of items (K,) as a single view; none can be unknown."""
        rows = self.adaptor(self.table[items])
        return ItemTable(rows.unsqueeze(1), torch.zeros_like(rows[:, 0]))

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Unit vectors (K, D) over the temperature: input and output are tied."""
        return functional.normalize(table.views[:, 0], dim=-1) / TEMPERATURE

    def encode(
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Unit states (B, L, D) after each item, and weights (B, L, 1) that are all 1."""
        rows = table.views[indices, 0]
        states = read(self.encoder, rows * self.scale, indices, lengths, dropout_masks, times)
        return functional.normalize(states, dim=-1), torch.ones_like(rows[..., :1])


class UniSRecID(UniSRec):
    """UniSRec whose embeddings are adapted texts plus trained rows."""

    rows: nn.Parameter

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of the frozen embedding table and of ID embeddings."""
        made = super().build(parts)
        made.rows = nn.Parameter(parts.rows.clone())
        return made

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """ID embeddings and the frozen table."""
        return ("rows", "table")

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """Adapted texts plus rows of items (K,) as a single view; none can be unknown."""
        rows = self.adaptor(self.table[items]) + self.rows[items]
        return ItemTable(rows.unsqueeze(1), torch.zeros_like(rows[:, 0]))
