"""Items by what a person types: an id, a title or a misspelled one, or the beginning of one."""

import importlib.util
from functools import cached_property

from fedrec.data.catalog import Catalog
from fedrec.dualrec.title_forms import loose, shown_titles
from fedrec.dualrec.titles import TitleIndex
from fedrec.errors import DataError

LISTED = 8  # items that a refusal names
CLOSE = 70.0  # similarity in percent from which on an unknown title is taken for a slip


class ItemFinder:
    """The items of a catalogue by id or title.

    Args:
        catalog: The V items.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def find(self, text: str) -> str:
        """Id of the item that a text names: an id as it stands, else a title.

        Misspelled titles are matched where rapidfuzz is installed.

        Raises:
            DataError: No item or several; the line lists those that may be meant.
        """
        for one in (text, text.strip()):
            if one in self._numbers:
                return one
        match = self._index.match(text)
        if match.kind == "ambiguous":
            raise DataError(
                f"{text!r} is the title of {len(match.among)} items: {self._listed(match.among)}; "
                "name one by its id, or with its year"
            )
        if not match.item:
            raise DataError(self._unknown(text))
        return self.catalog.item_ids[match.item - 1]

    def is_id(self, text: str) -> bool:
        """Whether a text is the id of an item as it stands."""
        return text in self._numbers

    def search(self, text: str, limit: int = LISTED) -> list[int]:
        """Numbers of the items with a word that begins with each word typed.

        Items whose title begins with the text come first, then short titles.

        Args:
            text: What was typed so far; an id is found, too.
            limit: How many, at most.
        """
        whole = " ".join(loose(text))
        words = [f" {word}" for word in whole.split()]
        if not words:
            return []
        found = [
            (not key.startswith(f" {whole}"), len(key), item)
            for item, key in enumerate(self._keys, start=1)
            if all(word in key for word in words)
        ]
        items = [item for _, _, item in sorted(found)]
        number = self._numbers.get(text.strip())
        first = [] if number is None else [number]
        return list(dict.fromkeys([*first, *items]))[:limit]

    @cached_property
    def titles(self) -> list[str]:
        """Title of every item as it is shown; entry [v - 1] of item v."""
        return shown_titles(self.catalog)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {identity: item for item, identity in enumerate(self.catalog.item_ids, start=1)}

    @cached_property
    def _keys(self) -> list[str]:
        """Words of each shown title, a blank before each."""
        return [f" {' '.join(loose(title))}" for title in self.titles]

    @cached_property
    def _index(self) -> TitleIndex:
        return TitleIndex(self.catalog, misspelled=_has_rapidfuzz())

    def _unknown(self, text: str) -> str:
        items = self.search(text) or self._close(text)
        line = (
            f"{text!r} is neither the id nor the title of one of the {len(self._numbers):,} items"
        )
        if items:
            return f"{line}; is one of these meant: {self._listed(items)}?"
        if not _has_rapidfuzz():
            return (
                f"{line}; misspelled titles are matched with rapidfuzz: pip install 'fedrec[llm]'"
            )
        return line

    def _close(self, text: str) -> list[int]:
        """Items whose titles look like a text, the closest first; none without rapidfuzz."""
        if not _has_rapidfuzz():
            return []
        from rapidfuzz import fuzz, process

        key = " ".join(loose(text))
        found = process.extract(
            key, self._keys, scorer=fuzz.WRatio, limit=LISTED, score_cutoff=CLOSE
        )
        return [place + 1 for _, _, place in found if key]

    def _listed(self, items: list[int] | tuple[int, ...]) -> str:
        named = [
            f"{self.titles[item - 1]} (id {self.catalog.item_ids[item - 1]})"
            for item in items[:LISTED]
        ]
        more = len(items) - LISTED
        return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _has_rapidfuzz() -> bool:
    return importlib.util.find_spec("rapidfuzz") is not None
