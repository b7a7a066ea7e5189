"""DUALRec's first stage: an LSTM over ID, title words and genres that predicts the next item.

DUALRec (arXiv 2507.13957): ID embedding, title and genres of the last 30 items through LSTM 256,
LSTM 128, dropout .3 and a dense layer of 256 to a softmax over the items. Other than in its code,
every position is a target and not the thirty-first alone, an item has a number that is not the
padding's, and all positions share one table of title words. (The code has thirty, one a position:
43 MB a message instead of 5.8.) The paper's sizes are ``model.width = 128``, from which title and
genres get half, and ``model.hidden = 256``, from which the second LSTM gets half.
"""

import math
from typing import Self

import torch
from torch import Tensor, nn

from fedrec.models.layers.encoder import SequenceEncoder
from fedrec.models.parts import ROW_STD, ItemFeatures, ModelParts, torch_stream
from fedrec.models.recommender import ItemTable, Recommender


class DualRecLSTM(Recommender):
    """A stacked LSTM over ID embeddings, title words and genres, with an output layer of its own.

    Args:
        rows: (V + 1, D) Initial ID embeddings.
        encoder: Sequence encoder from (B, L, D + 2 * (D // 2)) to states (B, L, H).
        features: Title words and genres of the items; they are frozen and never sent.
        hidden: H.
        stream: Stream of the other initial weights.
    """

    words: Tensor
    genres: Tensor

    def __init__(
        self,
        rows: Tensor,
        encoder: SequenceEncoder,
        features: ItemFeatures,
        *,
        hidden: int,
        stream: torch.Generator,
    ) -> None:
        super().__init__()
        width = rows.shape[1]
        part = max(1, width // 2)
        self.rows = nn.Parameter(rows.clone())
        self.word_rows = nn.Parameter(_drawn((features.num_words + 1, part), stream))
        self.from_genres = nn.Linear(features.genres.shape[1], part)
        self.encoder = encoder
        # The bias of an item stands behind its row, and a constant 1 behind each state.
        output = torch.cat([_drawn((len(rows), hidden), stream), torch.zeros(len(rows), 1)], dim=1)
        self.output_rows = nn.Parameter(output)
        self.scale = math.sqrt(width)
        self.input_width = width + 2 * part
        self.register_buffer("words", features.words, persistent=False)
        self.register_buffer("genres", features.genres, persistent=False)
        nn.init.xavier_uniform_(self.from_genres.weight, generator=stream)
        nn.init.zeros_(self.from_genres.bias)

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model with title words and genres of the catalogue."""
        stream = torch_stream(parts.seed, "weights", "dualrec")
        return cls(parts.rows, parts.encoder, parts.features(), hidden=parts.hidden, stream=stream)

    @property
    def view_names(self) -> tuple[str, ...]:
        """One view: ID, title and genres side by side, with no gate between them."""
        return ("item",)

    @property
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""
        return self.encoder.num_dropout_masks

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """ID embeddings and output rows, which are trained; title words and genres, frozen."""
        return ("rows", "output_rows", "words", "genres")

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """Input vector and output row (K, 1, input + H + 1) of items (K,); none can be unknown."""
        words = self.words[items]
        is_word = (words > 0).to(self.rows.dtype).unsqueeze(-1)
        titles = (self.word_rows[words] * is_word).sum(dim=1) / is_word.sum(dim=1).clamp(min=1)
        genres = torch.relu(self.from_genres(self.genres[items]))
        parts = [
            self.rows[items] * self.scale,
            titles * self.scale,
            genres,
            self.output_rows[items],
        ]
        table = torch.cat(parts, dim=-1)
        return ItemTable(table.unsqueeze(1), torch.zeros_like(table[:, 0]))

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Output rows (K, H + 1) with their biases: input and output are not tied."""
        return table.views[:, 0, self.input_width :]

    def encode(
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """States (B, L, H + 1) after each item, and weights (B, L, 1) that are all 1."""
        inputs = table.views[:, 0, : self.input_width][indices]
        states = self.encoder(inputs, lengths, dropout_masks)
        ones = torch.ones_like(states[..., :1])
        return torch.cat([states, ones], dim=-1), ones


def _drawn(shape: tuple[int, int], stream: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=stream) * ROW_STD
