"""Forms of a title: how a catalogue writes one, how people do, and the keys that compare them.

A key is a tuple of words. Four of them, from the strictest to the loosest, all keep every number:

    words     "The Matrix: Part II" -> the matrix part ii
    loose     without articles and accents: matrix part ii
    numerals  and every number as digits: matrix part 2
    compact   and without spaces, where no digit could melt into another: hardboiled
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from fedrec.data.catalog import Catalog
from fedrec.semantics.texts import clean, readable_title, title_and_year

Key = tuple[str, ...]

_ARTICLES = frozenset({"the", "a", "an"})
# "I" is left out: as a word it is a pronoun. ``numbers`` still tells titles by it apart.
_ROMAN = (
    *("ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv"),
    *("xvi", "xvii", "xviii", "xix", "xx"),
)
_COUNTED = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    "twelve",
)
_DIGITS = {word: str(number) for number, word in enumerate(_ROMAN, start=2)} | {
    word: str(number) for number, word in enumerate(_COUNTED, start=1)
}
_ORDINALS = frozenset(
    ("i", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "last", "final")
)
# A parenthesis that tells a part of a series belongs to the name itself.
_PART = re.compile(r"\b(?:part|vol|volume|chapter|episode|sequel|remake|season)\b", re.IGNORECASE)
_TAIL = re.compile(r"^(?P<name>.*?\S)(?P<tail>(?:\s*\([^()]*\))+)\s*$", re.DOTALL)
_KNOWN_AS = re.compile(r"^(?:a\.?\s?k\.?\s?a\.?|also known as|or)[:,]?\s+", re.IGNORECASE)
_YEAR = re.compile(r"[\s,]*[(\[]\s*(?P<year>(?:18[89]|19\d|20[0-3])\d)\s*[)\]]\s*$")
_BARE_YEAR = re.compile(r"(?<=\S)[\s,]+(?P<year>(?:18[89]|19\d|20[0-3])\d)\s*$")


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of one title.

    Attributes:
        main: Name without what stands in parentheses behind it.
        others: Alternative titles, in their order.
    """

    main: str
    others: tuple[str, ...]

    @property
    def full(self) -> str:
        """All of it."""
        return " ".join((self.main, *self.others))


def shown_titles(catalog: Catalog) -> list[str]:
    """Title of every item as it is shown: "The Matrix (1999)", the article in front, on one line.

    Returns:
        V titles, entry [v - 1] of item v; "item <original id>" where there is none.
    """
    found = []
    for place, item_id in enumerate(catalog.item_ids):
        title, year = title_and_year(catalog.titles[place], catalog.years[place])
        shown = title if year is None else f"{title} ({year})"
        found.append(shown if title else f"item {clean(item_id)}")
    return found


def names_of(title: str) -> Names:
    """Names in a title without its year, each with its article in front."""
    title = readable_title(title)
    match = _TAIL.match(title)
    if match is None:
        return Names(main=title, others=())
    main, others = match["name"], []
    for piece in re.findall(r"\(([^()]*)\)", match["tail"]):
        if is_part(piece):
            main = f"{main} {piece}"
        elif name := _KNOWN_AS.sub("", piece.strip()):
            others.append(name)
    return Names(main=main, others=tuple(others))


def is_part(piece: str) -> bool:
    """Whether a parenthesis tells a part of a series, or has a number and nothing else."""
    is_number = all(word.isdigit() for word in numerals(piece))
    return bool(_PART.search(piece)) or is_number


def split_year(title: str, *, bare: bool = False) -> tuple[str, int | None]:
    """Title without the year in parentheses or brackets behind it, and the year.

    Args:
        title: A title.
        bare: Also take a year that stands there without parentheses.
    """
    match = _YEAR.search(title) or (_BARE_YEAR.search(title) if bare else None)
    if match is None or not match.start():
        return title, None
    return title[: match.start()], int(match["year"])


def words(name: str) -> Key:
    """Words in lower case; punctuation separates, an apostrophe joins."""
    text = unicodedata.normalize("NFKC", name.replace("\u00bd", " 1/2").casefold())
    text = re.sub("['\u2019\u2018`\u00b4]", "", text).replace("&", " and ")
    found = tuple(re.findall(r"[^\W_]+", text))
    return found or tuple(text.split())  # a title of marks alone is told by its marks


def loose(name: str) -> Key:
    """``words`` without accents and English articles."""
    plain = tuple(map(_without_accents, words(name)))
    return tuple(word for word in plain if word not in _ARTICLES) or plain


def numerals(name: str) -> Key:
    """``loose`` with Roman numbers and number words as digits."""
    return tuple(_DIGITS.get(word, word) for word in loose(name))


def compact(name: str) -> Key:
    """``loose`` as one word; () where a number is among them, as 1 1 and 11 would be one."""
    found = loose(name)
    return () if numbers(found) else ("".join(found),)


def numbers(key: Key) -> Key:
    """What counts in a key, in its order: digits, Roman numbers, number words."""
    return tuple(
        _DIGITS.get(word, word)
        for word in key
        if word in _DIGITS or word in _ORDINALS or any(map(str.isdigit, word))
    )


def _without_accents(word: str) -> str:
    pieces = unicodedata.normalize("NFKD", word)
    return "".join(piece for piece in pieces if not unicodedata.combining(piece)) or word


KEYS: tuple[Callable[[str], Key], ...] = (words, loose, numerals, compact)
