"""UniSRec: a transformer over texts of items, adapted by a mixture of whitening experts.

Hou et al., KDD 2022. With the frozen vector x of an item's text, its embedding is

    v = sum over G experts of g_k (x - b_k) W_k,   g = softmax(x W_g)

and a history scores an item by cosine(state, v) / tau. "unisrec" knows items by text alone (the
paper's inductive setting, in which any catalogue can be scored); "unisrec-id" adds a trained row to
v (the transductive one). Adaptor and transformer are shared, texts are frozen and never sent.

As everywhere here, the encoder is that of ``model.block``, and every position is a target. Left out
are what the paper adds in training alone, noise on the scores of the gate and dropout of x, and its
pre-training over several domains with contrastive losses.
"""

import math
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.errors import ConfigError
from fedrec.models.layers.encoder import SequenceEncoder, read
from fedrec.models.layers.views import IdentityView
from fedrec.models.parts import ROW_STD, ModelParts, torch_stream
from fedrec.models.recommender import ItemTable, Recommender

TEMPERATURE = 0.07  # tau, as in the authors' code


class WhiteningExperts(nn.Module):
    """A frozen vector per item through a mixture of G parametric whitenings.

    The centre b_k of an expert acts through b_k W_k alone: minus that is its bias here. The table
    is a buffer outside the state dict, as that of ``AdaptedView``.

    Args:
        table: (V + 1, S) Frozen vectors of the items' texts, row 0 zero.
        width: D.
        experts: G.
        stream: Stream of the initial weights.
    """

    table: Tensor

    def __init__(self, table: Tensor, width: int, experts: int, *, stream: torch.Generator) -> None:
        super().__init__()
        size = table.shape[1]
        self.width = width
        self.register_buffer("table", table, persistent=False)
        self.experts = nn.Linear(size, experts * width)
        self.gate = nn.Linear(size, experts, bias=False)
        nn.init.normal_(self.experts.weight, generator=stream)
        nn.init.zeros_(self.experts.bias)
        nn.init.zeros_(self.gate.weight)
        with torch.no_grad():  # embeddings start at the norm of ID embeddings
            started = self.adapted(table[1:]).square().sum(dim=-1).mean().sqrt()
            if started > 0:
                self.experts.weight.mul_(ROW_STD * math.sqrt(width) / started.clamp(min=1e-12))

    def forward(self, items: Tensor) -> Tensor:
        """Embeddings (K, D) of items (K,)."""
        return self.adapted(self.table[items])

    def adapted(self, texts: Tensor) -> Tensor:
        """Embeddings (K, D) of texts (K, S)."""
        shares = self.gate(texts).softmax(dim=-1)
        whitened = self.experts(texts).view(*shares.shape, self.width)
        return torch.einsum("kg,kgd->kd", shares, whitened)


class UniSRec(Recommender):
    """Sequence encoder over adapted texts, which scores by the cosine.

    Args:
        views: Modules that give (K, D) for items (K,), of which an embedding is the sum.
        encoder: Sequence encoder from (B, L, D) to states (B, L, D).
        width: D.
    """

    def __init__(
        self, views: Mapping[str, nn.Module], encoder: SequenceEncoder, *, width: int
    ) -> None:
        super().__init__()
        self.views = nn.ModuleDict(views)
        self.encoder = encoder
        self.scale = math.sqrt(width)

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of the frozen embedding table.

        Raises:
            ConfigError: There is none.
        """
        return cls(cls.make_views(parts), parts.encoder, width=parts.width)

    @classmethod
    def make_views(cls, parts: ModelParts) -> dict[str, nn.Module]:
        """What an embedding is the sum of, by the names of a hybrid's views.

        Raises:
            ConfigError: There is no frozen embedding table.
        """
        if parts.semantic is None:
            raise ConfigError("model.name = 'unisrec' needs a frozen embedding table of texts")
        stream = torch_stream(parts.seed, "weights", "unisrec")
        semantic = WhiteningExperts(parts.semantic, parts.width, parts.experts, stream=stream)
        return {"semantic": semantic}

    @property
    def view_names(self) -> tuple[str, ...]:
        """One view: what the texts are adapted to, and all that is added to it."""
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
        """The frozen table, and ID embeddings where there are any."""
        arrays = {"semantic": "views.semantic.table", "identity": "views.identity.rows"}
        return tuple(arrays[name] for name in self.views)

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """Embeddings of items (K,) as a single view; none can be unknown."""
        rows = torch.stack([view(items) for view in self.views.values()]).sum(dim=0)
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

    @classmethod
    def make_views(cls, parts: ModelParts) -> dict[str, nn.Module]:
        """The frozen embedding table and ID embeddings.

        Raises:
            ConfigError: There is no frozen embedding table.
        """
        return {**super().make_views(parts), "identity": IdentityView(parts.rows)}
