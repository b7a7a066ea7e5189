"""Catalogue from Amazon's product records of any year."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fedrec.data.catalog import Catalog
from fedrec.data.readers.html import plain_text
from fedrec.data.readers.raw.csv_text import clean_texts

MAX_GENRES = 64
_MAX_NAME = 40  # characters; a longer "category" is a sentence that strayed into the list

# Fields by what they mean: Amazon 2014, 2018 and 2023 in turn, where they differ.
_TITLES = ("title",)
_DESCRIPTIONS = ("feature", "features", "description")  # bullet points say most in fewest words
_BRANDS = ("brand", "store")
_CATEGORIES = ("categories", "category")
_SCRIPT = "getTime"  # in the 2018 files the title of some pages is their first script


def product_catalog(
    item_ids: Sequence[str], records: Mapping[str, Mapping[str, Any]]
) -> tuple[Catalog, dict[str, int]]:
    """Make the catalogue of the items given, and count what was repaired or is missing.

    An item's genres are the names in its categories below the department, which all items of a
    file share, as far as they are among the 64 commonest of the catalogue (ties by name): Amazon
    has thousands of names, most of them on a handful of items, and each is a column of the
    content view.

    Args:
        item_ids: Item ids of the catalogue, in its order.
        records: Records by item id; items without one get empty fields and are counted.
    """
    found = [records.get(item, {}) for item in item_ids]
    raw = [_text(record, _TITLES) for record in found]
    scripts = sum(_SCRIPT in title for title in raw)
    titles, repaired = clean_texts(["" if _SCRIPT in title else title for title in raw])
    descriptions, more = clean_texts([_text(record, _DESCRIPTIONS) for record in found])
    brands, _ = clean_texts([_text(record, _BRANDS) for record in found])
    names = [list(dict.fromkeys(_below_department(record))) for record in found]
    common = _commonest(names)
    catalog = Catalog(
        list(item_ids),
        titles,
        [tuple(name for name in some if name in common) for some in names],
        [None] * len(item_ids),
        descriptions,
        {"brand": brands} if any(brands) else {},
    )
    counts = Counter(repaired) + Counter(more)
    counts["items not in the catalogue"] = sum(item not in records for item in item_ids)
    counts["titles that were a script"] = scripts
    counts["items without a title"] = titles.count("")
    return catalog, {what: count for what, count in counts.items() if count}


def _text(record: Mapping[str, Any], fields: Sequence[str]) -> str:
    return " ".join(filter(None, (plain_text(record.get(field)) for field in fields)))


def _below_department(record: Mapping[str, Any]) -> Iterator[str]:
    """Names in all category paths of an item but the first of each, from root to leaf."""
    for field in _CATEGORIES:
        paths = record.get(field)
        if not isinstance(paths, list):
            continue
        # 2014 has a list of paths, 2018 and 2023 the one path itself.
        for path in paths if any(isinstance(part, list) for part in paths) else [paths]:
            for part in path[1:] if isinstance(path, list) else ():
                name = plain_text(part)
                if 0 < len(name) <= _MAX_NAME:
                    yield name


def _commonest(names: Sequence[Sequence[str]]) -> set[str]:
    counts = Counter(name for some in names for name in some)
    return set(sorted(counts, key=lambda name: (-counts[name], name))[:MAX_GENRES])
