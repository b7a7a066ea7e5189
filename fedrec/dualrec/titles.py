"""Match a title in free text to an item of the catalogue, or to none.

Name and year are compared first, under four keys that lose no number. Where they fail, a
misspelled name may match (rapidfuzz), under rules by which sequels, remakes and look-alikes never
do. DUALRec's code (arXiv 2507.13957) matches by a difflib ratio of .8 instead: 74 pairs of
different films among its 1,000 pass, and 72 titles do not match themselves.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from fedrec.data.catalog import Catalog
from fedrec.dualrec.title_forms import (
    KEYS,
    Key,
    Names,
    is_part,
    loose,
    names_of,
    numbers,
    split_year,
)
from fedrec.dualrec.title_lines import LineReader
from fedrec.llm.extra import require
from fedrec.semantics.texts import title_and_year

MIN_WORD = 4  # letters; a shorter word that differs is another word
SURE_LENGTH = 14  # characters of a name that may be misspelled without a year to confirm it
_Kind = Literal["name", "misspelled", "unknown", "ambiguous"]


@dataclass(frozen=True, kw_only=True)
class TitleMatch:
    """What a title was matched to.

    Attributes:
        item: The item, 0 for none.
        kind: "name" or "misspelled" with an item, "unknown" or "ambiguous" without.
        among: Items that an ambiguous title may mean, ascending; else empty.
    """

    item: int
    kind: _Kind
    among: tuple[int, ...] = ()


_UNKNOWN = TitleMatch(item=0, kind="unknown")


class TitleIndex:
    """The titles of a catalogue by their keys.

    Args:
        catalog: The V items.
        misspelled: Whether misspelled names may match; needs rapidfuzz.

    Raises:
        ResourceError: ``misspelled`` without rapidfuzz.
    """

    def __init__(self, catalog: Catalog, *, misspelled: bool = True) -> None:
        if misspelled:
            require("matching misspelled titles", "rapidfuzz")
        self._misspelled = misspelled
        self._lines = LineReader(catalog.genre_names())
        self._years: list[int | None] = [None]
        # Key number -> key -> items with it as their name, and as an alternative one.
        self._mains: list[dict[Key, set[int]]] = [defaultdict(set) for _ in KEYS]
        self._others: list[dict[Key, set[int]]] = [defaultdict(set) for _ in KEYS]
        self._vocabulary: set[str] = set()
        for item, (title, year) in enumerate(
            zip(catalog.titles, catalog.years, strict=True), start=1
        ):
            name, year = title_and_year(title, year)
            self._years.append(year)
            if name:
                self._add(item, names_of(name))
        # A misspelled word keeps its first and last letter, so that few keys need a comparison.
        self._spellings: dict[Key, list[Key]] = defaultdict(list)
        for key in {**self._mains[1], **self._others[1]}:
            self._spellings[_ends(key)].append(key)

    def _add(self, item: int, names: Names) -> None:
        for place, key_of in enumerate(KEYS):
            for name in {names.main, names.full}:
                self._mains[place][key_of(name)].add(item)
            for name in names.others:
                self._others[place][key_of(name)].add(item)
        self._vocabulary |= set(loose(names.full))

    def match(self, text: str) -> TitleMatch:
        """Match one line of text.

        A year that is given must be the item's, if that is known. A name without a year that
        several items have is ambiguous, unless it is the main title of one alone. The same holds
        for a number in front that may be a list's or the title's.
        """
        for find in (self._named, self._spelled) if self._misspelled else (self._named,):
            for group in self._lines.groups(text):
                found = {find(reading) for reading in group} - {_UNKNOWN}
                if found:
                    return found.pop() if len(found) == 1 else _ambiguous(found)
        return _UNKNOWN

    def _named(self, reading: str) -> TitleMatch:
        for bare in (False, True):
            name, year = split_year(reading, bare=bare)
            found = self._of_names(names_of(name), year)
            if found.kind != "unknown":
                return found
        return _UNKNOWN

    def _of_names(self, names: Names, year: int | None) -> TitleMatch:
        found = self._of_name(names.full, year)
        if found.kind != "unknown" or not names.others:
            return found
        if any(numbers(loose(other)) or is_part(other) for other in names.others):
            return _UNKNOWN  # what the parenthesis says may tell one part from another
        main, *others = (
            self._in_year(self._all_of(name), year) for name in (names.main, *names.others)
        )
        known = list(filter(None, others))
        return _resolved(main.intersection(*known)) if known else self._of_name(names.main, year)

    def _of_name(self, name: str, year: int | None) -> TitleMatch:
        """The item of a name; the strictest key that any item has decides, main names first."""
        for place, key_of in enumerate(KEYS):
            key = key_of(name)
            for index in (self._mains[place], self._others[place]):
                items = self._in_year(index.get(key, set()), year) if key else set()
                if items:
                    return _resolved(items)
        return _UNKNOWN

    def _all_of(self, name: str) -> set[int]:
        found: set[int] = set()
        for place, key_of in enumerate(KEYS):
            if key := key_of(name):
                found |= self._mains[place].get(key, set()) | self._others[place].get(key, set())
        return found

    def _in_year(self, items: set[int], year: int | None) -> set[int]:
        """Items of a year; those whose year nobody knows count where there is no other."""
        if year is None:
            return items
        same = {item for item in items if self._years[item] == year}
        return same or {item for item in items if self._years[item] is None}

    def _spelled(self, reading: str) -> TitleMatch:
        """The item whose name a reading misspells."""
        name, year = split_year(reading)
        key = loose(names_of(name).main)
        items: set[int] = set()
        for other in self._spellings.get(_ends(key), []):
            if self._is_misspelling(key, other):
                same = self._mains[1].get(other, set()) | self._others[1].get(other, set())
                items |= {item for item in same if self._may_be(item, key, year)}
        found = _resolved(items)
        return TitleMatch(item=found.item, kind="misspelled") if found.item else found

    def _may_be(self, item: int, key: Key, year: int | None) -> bool:
        """Whether the year confirms an item, or a name of several words is long enough."""
        if year is not None and self._years[item] is not None:
            return self._years[item] == year
        return len(" ".join(key)) >= SURE_LENGTH and len(key) > 1

    def _is_misspelling(self, key: Key, other: Key) -> bool:
        """Whether one key is the other with one or two letters wrong, and surely no other title.

        Numbers must be equal, and words differ within: another ending is another word ("Alien",
        "Aliens"; "Twister", "Twisted"). So is a word that some other title has.
        """
        from rapidfuzz.distance import OSA

        if len(key) != len(other) or numbers(key) != numbers(other):
            return False
        wrong = [(mine, its) for mine, its in zip(key, other, strict=True) if mine != its]
        errors = sum(OSA.distance(mine, its) for mine, its in wrong)
        length = len(" ".join(other))
        return errors <= (1 if length < 12 else 2) and all(
            min(len(mine), len(its)) >= (MIN_WORD if len(key) > 1 else MIN_WORD + 3)
            and mine not in self._vocabulary
            and not mine.startswith(its)
            and not its.startswith(mine)
            for mine, its in wrong
        )


def _ends(key: Key) -> Key:
    """First and last letter of each word."""
    return tuple(word[0] + word[-1] for word in key)


def _resolved(items: set[int]) -> TitleMatch:
    """One item is a match, several are ambiguous, none is unknown."""
    if not items:
        return _UNKNOWN
    if len(items) > 1:
        return TitleMatch(item=0, kind="ambiguous", among=tuple(sorted(items)))
    return TitleMatch(item=next(iter(items)), kind="name")


def _ambiguous(found: set[TitleMatch]) -> TitleMatch:
    """Readings of one line that mean different items."""
    among = {item for one in found for item in (one.among or (one.item,))}
    return TitleMatch(item=0, kind="ambiguous", among=tuple(sorted(among)))
