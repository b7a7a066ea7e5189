"""Free answers of a language model: split into titles, matched to items, everything counted.

What is left is a list of items of the catalogue; nothing else can come out.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import Any

from fedrec.dualrec.title_lines import bare_line, is_listed
from fedrec.dualrec.titles import TitleIndex

MAX_TITLES = 100  # titles that are read of one answer; a loop of a small model goes on for ever
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^\s*(?:```\w*|</?\w+>)\s*$", re.MULTILINE)  # of code, or an echoed one
_JSON = re.compile(r"[\[{].*[\]}]", re.DOTALL)
_CHATTER = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|here (?:are|is)|here's|i (?:would|recommend|hope|think|"
    r"suggest|can)|i'd|i'm|i am|based on|given|these|this|those|as an|note|enjoy|let me|sorry|"
    r"recommendations?|answer)\b",
    re.IGNORECASE,
)
_BETWEEN_YEARS = re.compile(r"(?<=\d{4}\))\s*(?:[,;|/]|\band\b)+\s*(?=\S)")
_INLINE_NUMBER = re.compile(r"\s+(?=[(\[]?\d{1,2}[.)\]]\s+\S)")
_SENTENCE_WORDS = 12  # words from which a line without a title is talk


@dataclass(frozen=True, kw_only=True)
class AnswerCounts:
    """What became of answers and of the titles in them; counts of several answers add up.

    Attributes:
        answers: Answers read.
        unparsed: Answers without any title.
        titles: Titles read, the sum of all that follow.
        unknown: Titles that no item has.
        ambiguous: Titles that several items have.
        seen: Items of the history.
        repeated: Items named before in the same answer.
        kept: Items that are left.
        misspelled: Of those kept, how many were matched in spite of their spelling.
    """

    answers: int = 0
    unparsed: int = 0
    titles: int = 0
    unknown: int = 0
    ambiguous: int = 0
    seen: int = 0
    repeated: int = 0
    kept: int = 0
    misspelled: int = 0

    def __add__(self, other: "AnswerCounts") -> "AnswerCounts":
        """Sum, count by count."""
        return AnswerCounts(
            **{
                one.name: getattr(self, one.name) + getattr(other, one.name)
                for one in fields(AnswerCounts)
            }
        )

    def shares(self) -> dict[str, float]:
        """Unparsed as a share of the answers, the others as shares of the titles; 0 of none."""
        of_titles = ("unknown", "ambiguous", "seen", "repeated", "kept", "misspelled")
        return {"unparsed": self.unparsed / max(self.answers, 1)} | {
            name: getattr(self, name) / max(self.titles, 1) for name in of_titles
        }


@dataclass(frozen=True, kw_only=True)
class ReadAnswer:
    """What an answer recommends.

    Attributes:
        items: Items in the order of the answer, each once and none of the history.
        counts: What became of its titles.
    """

    items: tuple[int, ...]
    counts: AnswerCounts


def read_answer(text: str, index: TitleIndex, seen: Collection[int] = ()) -> ReadAnswer:
    """Read a free answer.

    Args:
        text: What the model wrote, possibly no sense at all.
        index: Titles of the catalogue.
        seen: Items of the user's history; they are counted and left out.

    Returns:
        Items of the catalogue alone.
    """
    seen = frozenset(seen)
    titles = titles_in(text, index)
    found = dict.fromkeys(("unknown", "ambiguous", "seen", "repeated", "kept", "misspelled"), 0)
    items: list[int] = []
    for title in titles:
        match = index.match(title)
        if not match.item:
            found[match.kind] += 1
        elif match.item in seen:
            found["seen"] += 1
        elif match.item in items:
            found["repeated"] += 1
        else:
            found["kept"] += 1
            found["misspelled"] += match.kind == "misspelled"
            items.append(match.item)
    counts = AnswerCounts(answers=1, unparsed=int(not titles), titles=len(titles), **found)
    return ReadAnswer(items=tuple(items), counts=counts)


def titles_in(text: str, index: TitleIndex) -> list[str]:
    """Texts of an answer that stand for titles, known or not, in their order.

    JSON is read as such. Where lines are numbered or have bullets, only those count; otherwise
    every line that is no talk, split where it holds several titles.
    """
    text = _FENCE.sub("", _THOUGHTS.sub("", text)).strip()
    named = list(_in_json(text))
    if not named:
        lines = [line for line in text.splitlines() if any(map(str.isalnum, line))]
        listed = [line for line in lines if is_listed(line)]
        # A line before the first number may be a title itself: "Title\n2. Title".
        chosen = [line for line in lines if line in listed or index.match(line).item]
        for line in chosen if listed else lines:
            named += _split(line, index)
        named = [title for title in named if not _is_talk(title, index)]
    return named[:MAX_TITLES]


def _in_json(text: str) -> Iterator[str]:
    """Titles in a JSON answer: strings of a list, or what "title" or "name" say, with "year"."""
    match = _JSON.search(text)
    if match is None:
        return
    try:
        read = json.loads(match[0])
    except (ValueError, RecursionError):
        return
    yield from _strings(read)


def _strings(read: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(read, str):
        if any(map(str.isalnum, read)):
            yield read
    elif isinstance(read, list) and depth < 4:
        for one in read:
            yield from _strings(one, depth + 1)
    elif isinstance(read, dict) and depth < 4:
        title = next((read[key] for key in ("title", "name", "movie") if key in read), None)
        if isinstance(title, str):
            year = read.get("year")
            yield f"{title} ({year})" if year and f"({year})" not in title else title
        else:
            for one in read.values():
                if isinstance(one, list | dict):
                    yield from _strings(one, depth + 1)


def _split(line: str, index: TitleIndex) -> list[str]:
    """Titles of one line: itself if it is one, or its parts."""
    if index.match(line).kind != "unknown":
        inline = _INLINE_NUMBER.split(line)
        return inline if len(inline) > 1 and all(map(is_listed, inline)) else _by_years(line)
    for pieces in (_INLINE_NUMBER.split(line), _by_years(line), re.split(r"\s*[;|]\s*", line)):
        if len(pieces) > 1:
            return [part for piece in pieces if piece for part in _split(piece, index)]
    pieces = re.split(r",\s+", line)
    known = [piece for piece in pieces if index.match(piece).kind != "unknown"]
    return pieces if len(pieces) > 1 and 2 * len(known) >= len(pieces) else [line]


def _by_years(line: str) -> list[str]:
    """Parts of a line that each end with a year in parentheses, but for the last one.

    A tail of genres or talk behind the last year is no title of its own.
    """
    pieces = _BETWEEN_YEARS.split(line)
    has_year = re.compile(r"\(\d{4}\)")
    return pieces if len(pieces) > 1 and all(map(has_year.search, pieces)) else [line]


def _is_talk(line: str, index: TitleIndex) -> bool:
    """Whether a line says something else than a title."""
    if index.match(line).kind != "unknown":
        return False
    plain = bare_line(line)
    is_long = len(plain.split()) >= _SENTENCE_WORDS and not re.search(r"\(\d{4}\)", plain)
    return (
        not plain
        or plain.endswith(":")
        or (not is_listed(line) and (is_long or bool(_CHATTER.match(plain))))
    )
