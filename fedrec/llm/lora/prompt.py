"""Prompts that ask for the next title, and answers, as tokens of a language model."""

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from fedrec.data.catalog import Catalog
from fedrec.dualrec.title_forms import shown_titles

VERSION = "next-title-1"
LONGEST_TITLE = 48  # tokens; a longer one is cut, so that one title cannot fill the memory

Tokens = list[int]


class TitlePrompts:
    """Prompts about the items of a catalogue.

    Args:
        catalog: Catalogue of the V items.
        tokenizer: Tokenizer of the language model, with a chat template.
        recent: Newest items of a history that a prompt shows.
    """

    def __init__(self, catalog: Catalog, tokenizer: Any, recent: int) -> None:
        text = (files("fedrec.llm.lora") / "prompts" / f"{VERSION}.toml").read_text("utf-8")
        self._template = tomllib.loads(text)
        self._tokenizer, self._recent = tokenizer, recent
        self.titles = ["", *shown_titles(catalog)]
        end = tokenizer.eos_token_id
        self._answers: dict[int, Tokens] = {}
        self._end: Tokens = [] if end is None else [int(end)]

    def text(self, history: Sequence[int] | np.ndarray) -> str:
        """The user's message for a history of item numbers, the newest last; 0 is none."""
        shown = [int(item) for item in history if item][-self._recent :]
        lines = [self._template["history"].format(title=self.titles[item]) for item in shown]
        return str(self._template["user"]).replace("{history}", "\n".join(lines) or "- (none)")

    def prompt(self, history: Sequence[int] | np.ndarray) -> Tokens:
        """Tokens of the whole prompt, up to where the answer begins."""
        messages = [
            {"role": "system", "content": self._template["system"]},
            {"role": "user", "content": self.text(history)},
        ]
        text = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def answer(self, item: int) -> Tokens:
        """Tokens of an item's title and of the end of the answer."""
        if item not in self._answers:
            tokens = self._tokenizer(self.titles[item], add_special_tokens=False)["input_ids"]
            self._answers[item] = [*tokens[:LONGEST_TITLE], *self._end]
        return self._answers[item]
