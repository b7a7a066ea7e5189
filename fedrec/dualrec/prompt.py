"""The prompts of DUALRec's second stage: history and stage 1's prediction, titles as fenced data.

Li & Grasman, arXiv 2507.13957: the latest three films and the LSTM's first one, three titles
wanted. A second prompt asks to order stage 1's candidates by their numbers, which needs no title
to be matched.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedrec.errors import ConfigError
from fedrec.files.atomic import sha256
from fedrec.llm.chat import Message
from fedrec.semantics.signals.prompt import unfenced
from fedrec.semantics.texts import clean

VERSION = "dualrec-1"
RECENT = 3  # films of the history; the paper's training prompts have five
WANTED = 3  # titles
_FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True, kw_only=True)
class DualrecPrompt:
    """A version of the prompts.

    Attributes:
        version: Name of the version.
        sha256: Hash of its file.
        system: Instructions.
        generate: Template with {watched}, {suggested} and {wanted}.
        order: Template with {watched}, {candidates} and {count}.
    """

    version: str
    sha256: str
    system: str
    generate: str
    order: str

    def ask_titles(
        self, watched: Sequence[str], suggested: str, *, recent: int = RECENT, wanted: int = WANTED
    ) -> tuple[Message, ...]:
        """The messages that ask for titles.

        Args:
            watched: Titles of the history, oldest first.
            suggested: Title that stage 1 predicts.
            recent: How many of the latest titles are shown.
            wanted: How many titles are asked for.

        Raises:
            ConfigError: ``recent`` or ``wanted`` below 1.
        """
        _check(recent=recent, wanted=wanted)
        asked = self.generate.format(
            watched=_lines(watched[-recent:]), suggested=_line(suggested), wanted=wanted
        )
        return self._messages(asked)

    def ask_order(
        self, watched: Sequence[str], candidates: Sequence[str], *, recent: int = RECENT
    ) -> tuple[Message, ...]:
        """The messages that ask to order stage 1's candidates by their numbers 1..K.

        Args:
            watched: Titles of the history, oldest first.
            candidates: K titles, in the order of stage 1.
            recent: How many of the latest titles are shown.

        Raises:
            ConfigError: ``recent`` below 1, or no candidate.
        """
        _check(recent=recent, candidates=len(candidates))
        numbered = "\n".join(
            f"[{number}] {_line(title)}" for number, title in enumerate(candidates, start=1)
        )
        asked = self.order.format(
            watched=_lines(watched[-recent:]), candidates=numbered, count=len(candidates)
        )
        return self._messages(asked)

    def _messages(self, asked: str) -> tuple[Message, ...]:
        return (
            {"role": "system", "content": self.system},
            {"role": "user", "content": asked},
        )


def read_dualrec_prompt(version: str = VERSION) -> DualrecPrompt:
    """The prompts of a version.

    Raises:
        ConfigError: There is no such version.
    """
    known = sorted(path.stem for path in _FOLDER.glob("*.toml"))
    if version not in known:
        raise ConfigError(f"there is no prompt {version!r}; expected one of {', '.join(known)}")
    content = (_FOLDER / f"{version}.toml").read_bytes()
    read = tomllib.loads(content.decode())
    return DualrecPrompt(
        version=read["version"],
        sha256=sha256(content),
        system=read["system"].strip(),
        generate=read["generate"]["user"].strip(),
        order=read["order"]["user"].strip(),
    )


def answer_titles(titles: Sequence[str]) -> str:
    """The answer that ``ask_titles`` asks for, to train on: one title a line."""
    return _lines(titles)


def answer_order(order: Sequence[int]) -> str:
    """The answer that ``ask_order`` asks for, to train on.

    Args:
        order: Places 0..K-1 of the candidates, the first one first.
    """
    return " > ".join(f"[{place + 1}]" for place in order)


def _lines(titles: Sequence[str]) -> str:
    return "\n".join(map(_line, titles))


def _line(title: str) -> str:
    """A title on one line, in which nothing looks like a mark of the fence."""
    return unfenced(clean(title))


def _check(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"a prompt needs 1 or more for {name}, got {count}")
