"""Signals by rules over the words of an item: an honest source where no language model is at hand.

They show what the path from a file of signals to a model is worth with signals that say no more
than the item's own text does. Their file names them as rules.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files

from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.files.atomic import sha256
from fedrec.semantics.texts import describe_items

NAME = "rules"
VERSION = "rules-1"
_WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")

Rules = Mapping[str, Mapping[str, Sequence[str]]]  # kind -> phrase -> words that call for it


def read_rules(kinds: Sequence[str]) -> tuple[Rules, str]:
    """The rules of some kinds, and the hash of their file.

    Raises:
        ConfigError: There are no rules for a kind.
    """
    content = (files("fedrec.semantics.signals") / "prompts" / f"{VERSION}.toml").read_bytes()
    rules = tomllib.loads(content.decode())
    unknown = [kind for kind in kinds if kind not in rules]
    if unknown or not kinds or len(set(kinds)) < len(kinds):
        raise ConfigError(f"--kinds takes each of {', '.join(rules)} once, got {','.join(kinds)!r}")
    return {kind: rules[kind] for kind in kinds}, sha256(content)


def rule_signals(
    catalog: Catalog, fields: Sequence[str], rules: Rules
) -> dict[str, dict[str, str]]:
    """Original item id -> kind -> signal, for the items of which a rule says anything.

    Args:
        catalog: The items.
        fields: Text fields that the rules read, as ``semantics.fields``.
        rules: Rules of ``read_rules``.
    """
    texts = describe_items(catalog, fields).texts
    by_word = {
        kind: [(phrase, frozenset(words)) for phrase, words in phrases.items()]
        for kind, phrases in rules.items()
    }
    found: dict[str, dict[str, str]] = {}
    for item, text in zip(catalog.item_ids, texts, strict=True):
        words = frozenset(_WORD.findall(text.lower()))
        said = {
            kind: [phrase for phrase, known in phrases if words & known]
            for kind, phrases in by_word.items()
        }
        signals = {kind: _sentence(phrases) for kind, phrases in said.items() if phrases}
        if signals:
            found[item] = signals
    return found


def _sentence(phrases: Sequence[str]) -> str:
    whole = "; ".join(phrases)
    return f"{whole[0].upper()}{whole[1:]}."
