"""A language model with adapters as a recommender: it scores the titles of candidates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.llm.lora.base import B
from fedrec.llm.lora.prompt import TitlePrompts, Tokens
from fedrec.llm.quiet import one_quiet_thread
from fedrec.models.recommender import ItemTable, Recommender


class LoraRecommender(Recommender):
    """A causal language model that names the next item; its adapters alone are trained.

    It has no item vectors: only candidates are ranked, by the mean log-likelihood of a token of
    their titles.

    Args:
        language_model: Causal language model with adapters.
        prompts: Prompts about the catalogue.
        keeps_b: Whether B stays with the client (FedSA-LoRA, Guo et al., ICLR 2025).
    """

    def __init__(
        self, language_model: nn.Module, prompts: TitlePrompts, *, keeps_b: bool = False
    ) -> None:
        super().__init__()
        self.language_model = language_model
        self.prompts = prompts
        self._keeps_b = keeps_b

    @property
    def own_parameters(self) -> tuple[str, ...]:
        """B of every adapter, where it stays with the client."""
        if not self._keeps_b:
            return ()
        return tuple(name for name, _ in self.named_parameters() if B in name)

    @property
    def view_names(self) -> tuple[str, ...]:
        """One view: the title."""
        return ("title",)

    @property
    def num_dropout_masks(self) -> int:
        """None: dropout in front of an adapter is peft's."""
        return 0

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """A table of nothing: an item is its title."""
        return ItemTable(torch.zeros(len(items), 1, 1), torch.zeros(len(items)))

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Not defined: items have no vectors."""
        raise NotImplementedError("a language model has no item vectors")

    def encode(
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Not defined: a history is read as text."""
        raise NotImplementedError("a language model has no states of histories")

    def answer_losses(
        self, prompts: Sequence[Tokens], answers: Sequence[Tokens]
    ) -> tuple[Tensor, Tensor]:
        """Sums (B,) of the loss over each answer's tokens, in nats, and their numbers (B,)."""
        rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
        tokens, mask = _padded(rows)
        hidden = self._decoder(input_ids=tokens, attention_mask=mask).last_hidden_state
        row: list[int] = []
        place: list[int] = []
        wanted: list[int] = []
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            row += [number] * len(answer)
            place += range(len(prompt) - 1, len(prompt) - 1 + len(answer))
            wanted += answer
        losses = functional.cross_entropy(
            self._logits(hidden[row, place]), torch.tensor(wanted), reduction="none"
        )
        sums = torch.zeros(len(rows)).index_add(0, torch.tensor(row), losses)
        return sums, torch.tensor([len(answer) for answer in answers])

    @torch.inference_mode()
    def score_titles(self, prompt: Tokens, titles: Sequence[Tokens]) -> np.ndarray:
        """Mean log-likelihood (K,) of a token of each title behind a prompt, read once for all."""
        from transformers import DynamicCache

        *before, last = prompt
        with one_quiet_thread():
            cache = DynamicCache(config=self._causal.config)
            self._decoder(input_ids=torch.tensor([before]), past_key_values=cache, use_cache=True)
            cache.batch_repeat_interleave(len(titles))
            tokens, mask = _padded([[last, *title[:-1]] for title in titles])
            whole = torch.cat([torch.ones(len(titles), len(before), dtype=torch.long), mask], dim=1)
            hidden = self._decoder(
                input_ids=tokens,
                attention_mask=whole,
                position_ids=torch.arange(len(before), whole.shape[1]).expand(len(titles), -1),
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state
            wanted, real = _padded(titles)
            logs = self._logits(hidden).log_softmax(dim=-1)
            said = logs.gather(2, wanted.unsqueeze(-1)).squeeze(-1) * real
        return (said.sum(dim=1) / real.sum(dim=1)).double().cpu().numpy()

    @property
    def _causal(self) -> Any:
        return self.language_model.get_base_model()  # type: ignore[operator]

    @property
    def _decoder(self) -> Any:
        return self._causal.get_decoder()

    def _logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self._causal.get_output_embeddings()(hidden)
        return logits.float()


def _padded(rows: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
    """Token rows of one length, padded behind, and where they are no padding: both (B, L)."""
    longest = max(map(len, rows))
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[place, : len(row)] = 1
    return tokens, mask
