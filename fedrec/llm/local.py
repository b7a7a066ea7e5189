"""A causal language model of a transformers folder, in this process.

The loop is our own instead of ``generate``: the keys and values of what all prompts of a batch
begin with (instructions and worked examples) are computed once, and every chat draws from a
stream of its own, so that its answer does not depend on its neighbours' draws.
"""

import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedrec.errors import ConfigError
from fedrec.llm.chat import Answer, Chat, Decoding, Observer
from fedrec.llm.extra import require
from fedrec.llm.folders import check_folder, model_sha256
from fedrec.llm.quiet import one_quiet_thread
from fedrec.randomness import generator

BATCH = 10  # fixed: in bfloat16 the last bits of a sum depend on the size of the batch


class LocalModel:
    """A transformers folder that answers chats; calls cost nothing.

    Args:
        folder: What ``save_pretrained`` of model and tokenizer wrote.
        name: Name as it is recorded; that of the folder by default.
        device: Device to compute on.

    Attributes:
        name: Name as it is recorded.
        revision: Hash of weights, tokenizer and settings.
        is_billed: False.

    Raises:
        ConfigError: No such model in the folder, or one without a chat template.
        ResourceError: transformers is not installed.
    """

    is_billed = False
    group = BATCH

    def __init__(self, folder: Path, name: str = "", device: str = "cpu") -> None:
        require(f"--model {folder}", "transformers")
        check_folder(folder)
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.name = name or folder.name
        self.revision = f"sha256:{model_sha256(folder)}"
        try:
            with one_quiet_thread():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(
                    str(folder), local_files_only=True
                )
                model: Any = AutoModelForCausalLM.from_pretrained(
                    str(folder), local_files_only=True, use_safetensors=True, dtype="auto"
                )
        except (OSError, ValueError, KeyError) as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            raise ConfigError(
                f"--model {folder}: transformers cannot load it ({reason})"
            ) from error
        if not self._tokenizer.chat_template:
            raise ConfigError(
                f"--model {folder} has no chat template in its tokenizer; take a model that was "
                "tuned to instructions"
            )
        self._model = model.to(device).eval()
        self._kept: Any = None  # tokens that prompts began with, and their keys and values
        self._ends = _end_tokens(model, self._tokenizer)

    def take(self, model: Any, told: str) -> None:
        """Answer by another model of the same tokenizer from now on.

        Args:
            model: Causal language model of transformers.
            told: What name and revision say of it.
        """
        self._model = model.to(self._model.device).eval()
        self._kept = None  # keys and values of the model before
        self.name, self.revision = f"{self.name} {told}", f"{self.revision} {told}"

    def ask(self, chats: Sequence[Chat], decoding: Decoding, observer: Observer) -> str:
        """Answer chats in batches of ``BATCH``; see ``LanguageModel``."""
        for start in range(0, len(chats), BATCH):
            batch = chats[start : start + BATCH]
            asked = [observer.may_ask(chat) for chat in batch]
            if not any(asked):
                continue
            # All of the batch, as another size would round otherwise; the others are not told.
            for chat, is_asked, answer in zip(
                batch, asked, self.answers(batch, decoding), strict=True
            ):
                if is_asked:
                    observer.ended(chat, answer)
        return ""

    @torch.inference_mode()
    def answers(self, chats: Sequence[Chat], decoding: Decoding) -> list[Answer]:
        """Answers of one batch, in its order."""
        begun = time.perf_counter()
        with one_quiet_thread():
            prompts = [self.tokens(chat) for chat in chats]
            written = self._generate(prompts, chats, decoding)
        seconds = (time.perf_counter() - begun) / len(chats)
        return [
            Answer(
                text=self._tokenizer.decode(tokens, skip_special_tokens=True).strip(),
                is_cut=is_cut,
                prompt_tokens=len(prompt),
                completion_tokens=len(tokens),
                seconds=seconds,
            )
            for prompt, (tokens, is_cut) in zip(prompts, written, strict=True)
        ]

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without marks of beginning and end."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    @property
    def end(self) -> int:
        """Token that ends an answer."""
        return int(self._tokenizer.eos_token_id)

    def tokens(self, chat: Chat) -> list[int]:
        """Tokens of a prompt under the model's chat template."""
        text = self._tokenizer.apply_chat_template(
            list(chat.messages), tokenize=False, add_generation_prompt=True
        )
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _generate(
        self, prompts: list[list[int]], chats: Sequence[Chat], decoding: Decoding
    ) -> list[tuple[list[int], bool]]:
        """Tokens written for each prompt, and whether they were cut."""
        shared = _shared_start(prompts)
        cache = self._cache_of(prompts[0][:shared], len(prompts))
        rows, mask = _padded([prompt[shared:] for prompt in prompts])
        device = self._model.device
        mask = torch.cat([torch.ones(len(prompts), shared, dtype=torch.long), mask], dim=1)
        streams = [generator(decoding.seed, "language-model", chat.key) for chat in chats]
        written: list[list[int]] = [[] for _ in prompts]
        is_over = [False] * len(prompts)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, shared:]
        for _ in range(decoding.max_tokens):
            logits = self._model(
                input_ids=rows.to(device),
                attention_mask=mask.to(device),
                position_ids=positions.to(device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            for row, chat in enumerate(chats):
                if chat.allowed is not None and not is_over[row]:
                    logits[row] = limited(logits[row], chat.allowed(written[row]))
            chosen = _choose(logits, decoding.temperature, streams)
            for row, token in enumerate(chosen):
                is_over[row] = is_over[row] or token in self._ends
                if not is_over[row]:
                    written[row].append(token)
            if all(is_over):
                break
            rows = torch.tensor(chosen, dtype=torch.long)[:, None]
            mask = torch.cat([mask, torch.ones(len(prompts), 1, dtype=torch.long)], dim=1)
            positions = positions[:, -1:] + 1
        return [(tokens, not over) for tokens, over in zip(written, is_over, strict=True)]

    def _cache_of(self, tokens: list[int], count: int) -> Any:
        """Keys and values of a shared start, for each row of a batch; kept for the next one."""
        from transformers import DynamicCache

        kept = self._kept
        if kept is None or kept[0] != tokens:
            cache = DynamicCache(config=self._model.config)
            if tokens:
                start = torch.tensor([tokens], dtype=torch.long, device=self._model.device)
                self._model(
                    input_ids=start, past_key_values=cache, use_cache=True, logits_to_keep=1
                )
            kept = self._kept = (tokens, cache)
        cache = copy.deepcopy(kept[1])
        if tokens:
            cache.batch_repeat_interleave(count)
        return cache


def limited(logits: Tensor, allowed: Sequence[int]) -> Tensor:
    """Logits (tokens,) with -inf for each token that may not follow."""
    limited = torch.full_like(logits, -torch.inf)
    limited[list(allowed)] = logits[list(allowed)]
    return limited


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    named = ends if isinstance(ends, list) else [ends]
    return {token for token in [*named, tokenizer.eos_token_id] if token is not None}


def _shared_start(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with; one at least is left to each."""
    most = min(map(len, prompts)) - 1
    return next(
        (place for place in range(most) if len({prompt[place] for prompt in prompts}) > 1), most
    )


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token rows of one length, padded in front, and where they are no padding: both (B, L)."""
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, longest - len(row) :] = torch.tensor(row, dtype=torch.long)
        mask[place, longest - len(row) :] = 1
    return ids, mask


def _choose(
    logits: Tensor, temperature: float, streams: Sequence[np.random.Generator]
) -> list[int]:
    """The next token of each row: the likeliest, or one drawn from the row's own stream."""
    if temperature == 0:
        return [int(token) for token in logits.argmax(dim=-1)]
    shares = (logits.double() / temperature).softmax(dim=-1).cumsum(dim=-1).cpu().numpy()
    return [
        int(min(np.searchsorted(row, stream.random() * row[-1], side="right"), len(row) - 1))
        for row, stream in zip(shares, streams, strict=True)
    ]
