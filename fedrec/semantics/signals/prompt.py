"""The prompt of a version: instructions, worked examples, and one item as fenced data.

What is asked depends on the catalogue alone: no user, event or history is known here.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedrec.data.catalog import REVIEWS, Catalog
from fedrec.errors import ConfigError
from fedrec.files.atomic import sha256
from fedrec.llm.chat import Message
from fedrec.semantics.texts import check_fields, clean, title_and_year

KINDS = ("usage", "intent", "theme")
VERSION = "signals-1"
MAX_FIELD = 400  # characters; a longer description says little more, and every one is paid
_FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True, kw_only=True)
class Example:
    """A worked example.

    Attributes:
        item: Text of an invented item.
        signals: Kind -> the signal that is a good answer.
    """

    item: str
    signals: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A version of the prompt, for the kinds that are asked for.

    Attributes:
        version: Name of the version.
        sha256: Hash of its file.
        kinds: Kinds of signals, in the order of the answer.
        system: Instructions.
        retry: What is added after an answer that was refused.
        examples: Worked examples.
    """

    version: str
    sha256: str
    kinds: tuple[str, ...]
    system: str
    retry: str
    examples: tuple[Example, ...]

    @property
    def example_signals(self) -> tuple[str, ...]:
        """Signals of all worked examples."""
        return tuple(text for example in self.examples for text in example.signals.values())

    def messages(self, item: str, refused: str = "") -> tuple[Message, ...]:
        """The messages that ask about an item.

        Args:
            item: Text of the item, of ``item_texts``.
            refused: Why the last answer was refused; it changes what is asked.
        """
        found = [{"role": "system", "content": self.system}]
        for example in self.examples:
            answer = {kind: example.signals[kind] for kind in self.kinds}
            found.append({"role": "user", "content": fenced(example.item)})
            found.append({"role": "assistant", "content": json.dumps(answer)})
        found.append({"role": "user", "content": fenced(item)})
        if refused:
            again = self.retry.format(reason=refused, names=", ".join(self.kinds))
            found[-1]["content"] += f"\n{again}"
        return tuple(found)


def read_prompt(kinds: Sequence[str], version: str = VERSION) -> Prompt:
    """The prompt of a version, reduced to some kinds of signals.

    Raises:
        ConfigError: No kind, one twice, or one that there is not.
    """
    content = (_FOLDER / f"{version}.toml").read_bytes()
    read = tomllib.loads(content.decode())
    unknown = [kind for kind in kinds if kind not in read["kinds"]]
    if unknown or not kinds or len(set(kinds)) < len(kinds):
        raise ConfigError(
            f"--kinds takes each of {', '.join(read['kinds'])} once, got {','.join(kinds)!r}"
        )
    chosen = tuple(kind for kind in read["kinds"] if kind in kinds)
    keys = "\n".join(f'"{kind}": {read["kinds"][kind]}' for kind in chosen)
    return Prompt(
        version=read["version"],
        sha256=sha256(content),
        kinds=chosen,
        system=read["system"].strip().format(keys=keys),
        retry=read["retry"].strip(),
        examples=tuple(
            Example(item=one["item"].strip(), signals={kind: one[kind] for kind in chosen})
            for one in read["examples"]
        ),
    )


def fenced(item: str) -> str:
    """Text of an item between marks that no item can close: it has no angle bracket."""
    return f"<item>\n{item}\n</item>"


def item_texts(catalog: Catalog, fields: Sequence[str]) -> list[str]:
    """The text of every item as the prompt shows it, a line a field; "" where nothing is known.

    Args:
        catalog: The V items.
        fields: Fields in their order, as ``semantics.fields`` has them.

    Returns:
        V texts without angle brackets, each field cut at ``MAX_FIELD`` characters.

    Raises:
        ConfigError: Fields that the catalogue does not have, or reviews.
    """
    if REVIEWS in fields:
        raise ConfigError(
            "semantics.fields of a prompt must not name 'reviews': they are events of users, and a "
            "prompt holds nothing but what the catalogue says; leave it out for fedrec signals"
        )
    check_fields(catalog, fields)
    return [_text(catalog, place, fields) for place in range(catalog.num_items)]


def _text(catalog: Catalog, place: int, fields: Sequence[str]) -> str:
    title, year = title_and_year(catalog.titles[place], catalog.years[place])
    known = {
        "title": title,
        "genres": ", ".join(filter(None, map(clean, catalog.genres[place]))),
        "year": "" if year is None else str(year),
        "description": clean(catalog.descriptions[place]),
        **{name: clean(values[place]) for name, values in catalog.columns.items()},
    }
    lines = [(field, _cut(known[field])) for field in fields]
    return "\n".join(f"{field}: {unfenced(value)}" for field, value in lines if value)


def _cut(text: str) -> str:
    """The beginning of a long text, up to a space."""
    if len(text) <= MAX_FIELD:
        return text
    return text[:MAX_FIELD].rpartition(" ")[0] or text[:MAX_FIELD]


def unfenced(text: str) -> str:
    """Text in which nothing looks like a mark of the fence or of a chat template."""
    return re.sub(r"[<>]", lambda match: {"<": "\u2039", ">": "\u203a"}[match[0]], text)
