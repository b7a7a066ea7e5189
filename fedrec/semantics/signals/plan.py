"""What is asked about which item, decided by the catalogue and the settings alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fedrec.data.catalog import Catalog
from fedrec.files.atomic import sha256
from fedrec.llm.chat import Chat, Decoding, LanguageModel
from fedrec.semantics.signals.filters.item import check_item
from fedrec.semantics.signals.filters.names import Finding
from fedrec.semantics.signals.prompt import Prompt, item_texts

ATTEMPTS = 2  # answers to an item that are paid at most; the second prompt says what was wrong


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Items with their texts, and how they are asked about. It knows no user and no event.

    Attributes:
        dataset: Name of the dataset.
        item_ids: Original ids of the items, in the order of the catalogue.
        texts: Text of each item.
        prompt: The prompt.
        decoding: How answers are generated.
        model: Name of the model.
        revision: What tells its weights from others of that name.
    """

    dataset: str
    item_ids: tuple[str, ...]
    texts: tuple[str, ...]
    prompt: Prompt
    decoding: Decoding
    model: str
    revision: str

    @cached_property
    def settings(self) -> dict[str, object]:
        """All that an answer depends on, beside the item's text."""
        return {
            "model": self.model,
            "revision": self.revision,
            "prompt": self.prompt.version,
            "prompt_sha256": self.prompt.sha256,
            "kinds": list(self.prompt.kinds),
            "temperature": self.decoding.temperature,
            "max_tokens": self.decoding.max_tokens,
            "seed": self.decoding.seed,
        }

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Key of each item in the ledger: a hash of the settings and its text.

        Items of one text have one key, and are asked about once.
        """
        before = json.dumps(self.settings, sort_keys=True)
        return tuple(sha256(f"{before}\n{text}".encode())[:32] for text in self.texts)

    @cached_property
    def settings_key(self) -> str:
        """Hash of the settings."""
        return sha256(json.dumps(self.settings, sort_keys=True).encode())[:32]

    @cached_property
    def blocked(self) -> dict[int, Finding]:
        """Items (0-based) that are not asked about, and why."""
        found = {place: check_item(text) for place, text in enumerate(self.texts)}
        return {place: finding for place, finding in found.items() if finding}

    @cached_property
    def asked(self) -> dict[str, str]:
        """Key -> text of all that is asked about, in the order of the catalogue."""
        return {
            key: self.texts[place]
            for place, key in enumerate(self.keys)
            if place not in self.blocked
        }

    def chat(self, key: str, attempt: int, refused: str = "") -> Chat:
        """The chat of an attempt, which counts from 1; its key is ``KEY/ATTEMPT``."""
        messages = self.prompt.messages(self.asked[key], refused)
        return Chat(key=f"{key}/{attempt}", messages=messages)


def make_plan(
    catalog: Catalog,
    *,
    dataset: str,
    fields: Sequence[str],
    prompt: Prompt,
    decoding: Decoding,
    model: LanguageModel,
    limit: int | None = None,
) -> Plan:
    """The plan for the items of a catalogue.

    Args:
        catalog: The items.
        dataset: Name of the dataset.
        fields: Fields of an item's text, as ``semantics.fields`` has them.
        prompt: The prompt.
        decoding: How answers are generated.
        model: The model.
        limit: Only so many items, the first of the catalogue.

    Raises:
        ConfigError: Fields that the catalogue does not have.
    """
    texts = item_texts(catalog, fields)
    return Plan(
        dataset=dataset,
        item_ids=tuple(catalog.item_ids[:limit]),
        texts=tuple(texts[:limit]),
        prompt=prompt,
        decoding=decoding,
        model=model.name,
        revision=model.revision,
    )
