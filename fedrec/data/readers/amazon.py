"""Amazon reviews as McAuley's group publishes them: the layouts of 2014, 2018 and 2023.

2014 and 2018: ``reviews_Beauty_5.json.gz`` or ``Beauty_5.json.gz`` with ``meta_Beauty.json.gz``;
2023: ``All_Beauty.jsonl.gz``, or the table ``All_Beauty.csv.gz`` of the 5-core benchmark, with
``meta_All_Beauty.jsonl.gz``. McAuley et al., SIGIR 2015; Ni et al., EMNLP 2019; Hou et al., 2024.
"""

import csv
import math
import re
from array import array
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from fedrec.data.interactions import Interactions, checked_times, drop_exact_duplicates
from fedrec.data.readers.amazon_products import product_catalog
from fedrec.data.readers.raw.archives import LayoutFiles, Listing, read_files
from fedrec.data.readers.raw.json_lines import read_lines, read_records
from fedrec.errors import DataError

LAYOUTS = ("amazon-2014", "amazon-2018", "amazon-2023")

_REVIEWS = {
    "amazon-2014": re.compile(r"reviews_(?P<category>.+?)(?:_5)?\.json(?:\.gz)?"),
    "amazon-2018": re.compile(r"(?!reviews_|meta_)(?P<category>.+?)(?:_5)?\.json(?:\.gz)?"),
    "amazon-2023": re.compile(r"(?!meta_)(?P<category>.+?)\.(?:jsonl|csv)(?:\.gz)?"),
}
_FIVE_CORE = re.compile(r"(?!meta_).+_5\.json(?:\.gz)?")  # of no other publisher's files
_META = {"amazon-2014": "json", "amazon-2018": "json", "amazon-2023": "jsonl"}
# User, item, rating, time.
OLD = ("reviewerID", "asin", "overall", "unixReviewTime")
NEW = ("user_id", "parent_asin", "rating", "timestamp")


def detect(listing: Listing) -> LayoutFiles | None:
    """Find reviews and products, and which layout they have.

    Returns:
        The reviews as "events" and the products as "items"; None where no reviews lie beside
        products.

    Raises:
        DataError: The reviews named have no products beside them, or there are reviews of several
            kinds or categories.
    """
    found = []
    by_name = {PurePosixPath(name).name: name for name in listing.names}
    for file, name in by_name.items():
        for layout, pattern in _REVIEWS.items():
            match = pattern.fullmatch(file)
            if match is None or listing.only not in ("", file):
                continue
            category = match["category"]
            meta = f"meta_{category}.{_META[layout]}"
            products = by_name.get(f"{meta}.gz", by_name.get(meta))
            if products is not None:
                members = {"events": name, "items": products}
                title = f"{category}-{layout.removeprefix('amazon-')}"
                found.append(LayoutFiles(layout, title, listing.root, members))
            elif _holds_reviews(listing, name, layout):
                raise DataError(
                    f"{listing.root} has {file} but no {meta}.gz beside it, which holds titles and "
                    "categories; fetch that file too, or give the events alone as a CSV table"
                )
    if len(found) > 1:
        names = ", ".join(sorted(PurePosixPath(one.members["events"]).name for one in found))
        raise DataError(
            f"{listing.root} holds several files of reviews ({names}); set data.source to the one "
            "meant"
        )
    return found[0] if found else None


def load(files: dict[str, bytes], names: dict[str, str], layout: str) -> Interactions:
    """Read reviews as interactions, and products as the catalogue.

    Users and items are numbered as they first appear in the reviews; products without a review
    are no part of the catalogue. Times are the seconds of whole days (2014, 2018), so
    that many are equal and file order decides, or milliseconds (2023).

    Args:
        files: "events" and "items" to their bytes.
        names: The same keys to file names, for messages.
        layout: One of ``LAYOUTS``.

    Raises:
        DataError: The message names file and line of what is not as the layout says.
    """
    users, items = _Numbers(), _Numbers()
    events = PurePosixPath(names["events"]).name
    keys = NEW if layout == "amazon-2023" else OLD
    # Of users, items, times, ratings and lines: tuples and lists take ten times the memory.
    columns: list[array[Any]] = [array(kind) for kind in "iiqdq"]
    for line, record in reviews_of(files["events"], names["events"]):
        user, item, rating, time = (record.get(key) for key in keys)
        place = f"{events}, line {line}"
        row = (
            users.of(_id(user, keys[0], place)),
            items.of(_id(item, keys[1], place)),
            _whole(time, keys[3], place),
            _number(rating, keys[2], place),
            line,
        )
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    lines = columns[4]
    if not lines:
        raise DataError(f"{events} has no review; one a line is needed")
    times = checked_times(
        np.array(columns[2], dtype=np.int64), lambda row: f"{events}, line {lines[row]}"
    )
    products, repeated, unread = _products(files["items"], names["items"], keys[1], items.number)
    item_ids = list(items.number)
    catalog, counts = product_catalog(item_ids, products)
    counts |= {"repeated products": repeated, "products without a review": unread}
    return drop_exact_duplicates(
        Interactions(
            list(users.number),
            item_ids,
            np.array(columns[0], dtype=np.int32),
            np.array(columns[1], dtype=np.int32),
            times,
            np.array(columns[3], dtype=np.float32),
            catalog,
            {},
            {what: count for what, count in counts.items() if count},
        )
    )


def _holds_reviews(listing: Listing, name: str, layout: str) -> bool:
    """Whether a file without products beside it begins as reviews do; another's is a table."""
    file = PurePosixPath(name).name
    if not listing.only and not file.startswith("reviews_") and not _FIVE_CORE.fullmatch(file):
        return False
    data = read_files(listing.root, [name])[name]
    try:
        _, first = next(read_lines(data, name=name))
    except DataError:  # of whoever reads it
        return False
    return all(key in first for key in (NEW if layout == "amazon-2023" else OLD))


class _Numbers:
    """Consecutive numbers of ids, from 0 in order of first appearance."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}

    def of(self, identity: str) -> int:
        return self.number.setdefault(identity, len(self.number))


def reviews_of(data: bytes, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and record of every line, of JSON lines or of a CSV table.

    Raises:
        DataError: The message names file and line of what is no record.
    """
    name = PurePosixPath(name).name
    if not name.endswith((".csv", ".csv.gz")):
        yield from read_records(data, name=name)
        return
    lines = read_lines(data, name=name)
    _, first = next(lines)
    header = _fields(first.strip(), f"{name}, line 1")
    lacking = [key for key in NEW if key not in header]
    if lacking:
        raise DataError(f"{name}, line 1: no column {lacking[0]!r} in {header}")
    if doubled := [key for key in header if header.count(key) > 1]:
        raise DataError(f"{name}, line 1: column {doubled[0]!r} appears more than once")
    for number, text in lines:
        fields = _fields(text, f"{name}, line {number}")
        if len(fields) != len(header):
            raise DataError(
                f"{name}, line {number}: {len(fields)} fields, the header has {len(header)}"
            )
        yield number, dict(zip(header, fields, strict=True))


def _fields(text: str, place: str) -> list[str]:
    try:
        return next(csv.reader([text]))
    except csv.Error as error:
        raise DataError(f"{place} is no line of a CSV table: {error}") from None


def _products(
    data: bytes, name: str, key: str, wanted: dict[str, int]
) -> tuple[dict[str, dict[str, Any]], int, int]:
    """Records of the items wanted, how many came again (the first counts), how many none wanted."""
    name = PurePosixPath(name).name
    found: dict[str, dict[str, Any]] = {}
    repeated = unread = 0
    for line, record in read_records(data, name=name):
        identity = _id(record.get(key), key, f"{name}, line {line}")
        if identity not in wanted:
            unread += 1
        elif identity in found:
            repeated += 1
        else:
            found[identity] = record
    return found, repeated, unread


def _id(value: object, key: str, place: str) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise DataError(f"{place}: {key} is {value!r}, expected an id as text")


def _whole(value: object, key: str, place: str) -> int:
    number = _number(value, key, place)
    if number != int(number) or abs(number) >= 2**53:
        raise DataError(f"{place}: {key} is {_short(value)}, expected a whole number")
    return int(number)


def _number(value: object, key: str, place: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # what is no number is refused
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{place}: {key} is {_short(value)}, expected a number")
    return number


def _short(value: object) -> str:
    """How a value reads in a message, however many digits it has."""
    return repr(value)[:60]
