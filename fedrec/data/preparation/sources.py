"""Resolve ``data.source``: where the events are, how they are read, and their cache key."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedrec.config.failures import user_code_failures
from fedrec.config.values.choices import AMAZON, MOVIELENS, SOURCE_SEPARATOR, sources_in
from fedrec.config.values.import_strings import IMPORT_STRING, import_string
from fedrec.data.domains import domain_names, merge_domains
from fedrec.errors import ConfigError, DataError, ResourceError
from fedrec.files.machine import memory_gib

if TYPE_CHECKING:
    from fedrec.data.interactions import Interactions
    from fedrec.data.readers.amazon_reviews import Review
    from fedrec.data.readers.tables import Columns

_COLUMN_KEYS = {"items": "items", "texts": "text-columns", "attributes": "attribute-columns"}

TABLE_RULES = 3  # raise when the same table is read in another way: it is then prepared anew

_BESIDE = ("sequences", "recbole")  # layouts that take a table of items beside them: data.items
_OF_EVENTS = ("user", "time", "rating", "attributes")  # columns that no table of items has

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Source:
    """A located source of events, not yet read.

    Args:
        name: Name for folders and reports: letters, digits and ``._-``.
        format: Format found, or "synthetic" or "python".
        key: Everything but the thresholds that the prepared data depends on.
        load: Function that reads the events.
        is_table: Whether a user names its columns.
        load_reviews: Function that reads the texts of reviews; none where there are no reviews.
    """

    name: str
    format: str
    key: dict[str, Any]
    load: Callable[[], "Interactions"]
    is_table: bool = False
    load_reviews: Callable[[], "list[Review]"] = list


def find_source(
    source: str, *, format: str, home: Path, seed: int, columns: "Columns | None"
) -> Source:
    """Locate a source; see ``fedrec.data.preparation.store.prepare`` for its forms.

    Raises:
        ConfigError: An unknown format, a source of no known form, one that is joined twice, or
            columns of a source that has none to choose from.
        DataError: A path that does not exist or holds something else.
        ResourceError: A known dataset that was not downloaded, or not put where it is looked for.
    """
    from fedrec.data.readers.detect import FORMATS

    if format not in FORMATS:
        raise ConfigError(f"data.format {format!r} is unknown; one of {', '.join(FORMATS)}")
    parts = sources_in(source)
    if len(parts) > 1:
        _check_parts(parts, columns)
    found = [_single(part, format=format, home=home, seed=seed, columns=columns) for part in parts]
    if columns is not None and not any(part.is_table for part in found):
        beside = bool(columns.items) and found[0].format in _BESIDE
        _refuse_columns(source, columns, found, _OF_EVENTS if beside else tuple(asdict(columns)))
    return _multi_domain(found) if len(found) > 1 else found[0]


def _refuse_columns(
    source: str, columns: "Columns", found: Sequence[Source], refused: Sequence[str]
) -> None:
    """Refuse names of columns where no source is a table: they would be ignored."""
    formats = " and ".join(sorted({part.format for part in found}))
    usual = asdict(type(columns)())
    for name, value in asdict(columns).items():
        if name in refused and value != usual[name]:
            key = _COLUMN_KEYS.get(name, f"{name}-column")
            shown = ",".join(value) if isinstance(value, tuple) else value
            raise ConfigError(
                f"data.{key} = {shown!r} speaks of a table of events, but {source} is {formats}, "
                f"which says itself what it holds; leave it out{_hint(found[0].format, name)}"
            )


def _hint(format: str, name: str) -> str:
    if format not in _BESIDE or name in _OF_EVENTS:
        return ""
    return ", or name a table of its items by data.items"


def _single(
    source: str, *, format: str, home: Path, seed: int, columns: "Columns | None"
) -> Source:
    """Locate a single source."""
    if source == "synthetic" or source.startswith("synthetic:"):
        return _synthetic(source, seed)
    if os.path.exists(source) and not (os.path.isfile(source) or os.path.isdir(source)):
        raise DataError(
            f"data.source {source!r} is no regular file or folder, but a device, pipe or socket; "
            "save the events to a file"
        )
    if os.path.exists(source):  # False, not an error, for a name that no file system takes
        return _path(Path(source), format, columns)
    if source in MOVIELENS:
        return _path(downloaded(source, home), source, columns, name=source)
    if source in AMAZON:
        return _path(placed(source, home), format, columns, name=source)
    if IMPORT_STRING.fullmatch(source):
        return _python(source, columns)
    raise DataError(
        f"data.source {source!r} does not exist; expected a file or folder, synthetic, "
        f"{', '.join(MOVIELENS)} or package.module:name, or several of them, joined by "
        f"{SOURCE_SEPARATOR!r}"
    )


def _check_parts(sources: Sequence[str], columns: "Columns | None") -> None:
    """Refuse sources that cannot be joined: one twice, an empty one, a table of items."""
    again = [source for source in sources if sources.count(source) > 1]
    if again or "" in sources:
        known = next(filter(None, sources), "nothing")
        what = f"{known} with nothing" if "" in sources else f"{again[0]} twice"
        raise ConfigError(
            f"data.source joins {what}; "
            f"between two {SOURCE_SEPARATOR!r} stands one source, each a domain of its own"
        )
    if columns is not None and columns.items:
        raise ConfigError(
            "data.items names the items of one table of events; with several sources, put what is "
            "known of the items into the tables themselves"
        )


def _multi_domain(found: Sequence[Source]) -> Source:
    """Combine several sources as the domains of one."""
    names = domain_names([source.name for source in found])

    def load() -> "Interactions":
        return merge_domains(
            {name: source.load() for name, source in zip(names, found, strict=True)}
        )

    key = {"domains": names, "parts": [source.key for source in found]}
    return Source(_safe("-and-".join(names), 100), "domains", key, load)


def _synthetic(source: str, seed: int) -> Source:
    from fedrec.data.synthetic.generator import generate
    from fedrec.data.synthetic.world import VERSION, read_spec

    spec = read_spec(source)
    key = {"synthetic": asdict(spec), "seed": seed, "generator": VERSION}
    return Source("synthetic", "synthetic", key, lambda: generate(spec, seed=seed))


def downloaded(name: str, home: Path) -> Path:
    """The file that ``fedrec data get`` downloads; a ResourceError where it is missing."""
    path = home / "downloads" / f"{name}.zip"
    if not path.is_file():
        raise ResourceError(
            f"{name} is not at {path}; run `fedrec data get {name}`, "
            "or set data.source to a copy of yours"
        )
    return path


def placed(name: str, home: Path) -> Path:
    """The file of a dataset that cannot be downloaded; a ResourceError where it is missing."""
    path = home / "downloads" / f"{name}.tar.xz"
    if not path.is_file():
        raise ResourceError(
            f"{name} has no published checksum and is not fetched; set data.source to a copy of "
            f"yours (--set data.source=PATH), or put it at {path}"
        )
    return path


def _path(path: Path, format: str, columns: "Columns | None", name: str = "") -> Source:
    from fedrec.data.readers.detect import find_layout, load_layout, load_reviews
    from fedrec.data.readers.raw.archives import read_files

    files = find_layout(path, format)
    if files is not None:
        # An archive is hashed as it is, else the files that are read.
        is_archive = path.is_file() and path == files.root
        parts = {} if is_archive else read_files(files.root, files.members.values())
        contents = [path.read_bytes()] if is_archive else [parts[file] for file in sorted(parts)]
        key = {"source_sha256": _sha256(*contents), "layout": files.layout, **files.key}
        safe = name or _safe(files.name) or files.layout
        if columns is not None and columns.items and files.layout in _BESIDE:
            return _beside(Source(safe, files.layout, key, lambda: load_layout(files)), columns)
        return Source(
            safe,
            files.layout,
            key,
            lambda: load_layout(files),
            load_reviews=lambda: load_reviews(files),
        )
    return _table(path, format, columns)


def _beside(found: Source, columns: "Columns") -> Source:
    """A source of events with a table of items beside it."""
    from fedrec.data.readers.items_beside import with_items
    from fedrec.data.readers.table_files.read import table_file

    file = table_file(Path(columns.items), "data.items")
    if not file.is_file():
        raise DataError(f"{file} does not exist; set data.items to a file that does")
    refuse_huge(file, "data.items")
    items = {"sha256": _sha256(file.read_bytes()), **asdict(columns), "items": ""}
    return replace(
        found, key=found.key | {"items": items}, load=lambda: with_items(found.load(), columns)
    )


def _safe(name: str, longest: int = 40) -> str:
    return _UNSAFE.sub("-", name).strip("-.")[:longest]


def refuse_huge(path: Path, key: str) -> None:
    """Refuse a file that memory cannot hold, before a byte of it is read.

    Raises:
        DataError: It is larger than half of the machine's memory: a table takes more than its text.
    """
    size, memory = path.stat().st_size / 2**30, memory_gib()
    if memory is not None and size > memory / 2:
        raise DataError(
            f"{path} has {size:,.1f} GiB, this machine {memory:,.1f} GiB of memory; set {key} to a "
            "smaller table"
        )


def _table(path: Path, format: str, columns: "Columns | None") -> Source:
    from fedrec.data.readers.table_files.read import bare_name, format_of, table_file
    from fedrec.data.readers.tables import Columns, load_table

    chosen = columns or Columns()
    path = table_file(path, "data.source")
    files = [path] + ([Path(chosen.items)] if chosen.items else [])
    for file, named in zip(files, ("data.source", "data.items"), strict=False):
        if not os.path.isfile(file):  # a name too long is no file either
            raise DataError(f"{file} does not exist; set {named} to a file that does")
        refuse_huge(file, named)
    names = {**asdict(chosen), "items": ""}
    key = {
        "source_sha256": _sha256(*(file.read_bytes() for file in files)),
        "columns": names,
        "reader": TABLE_RULES,
    }
    name = _safe(bare_name(path.name)) or "table"
    found = format_of(path.name) if format == "auto" else format
    return Source(name, found, key, lambda: load_table(path, chosen, format), is_table=True)


def _python(source: str, columns: "Columns | None") -> Source:
    """Call the user's function now: the cache key is the hash of what it returns."""
    import pandas as pd

    from fedrec.data.interactions import Interactions, fingerprint
    from fedrec.data.readers.tables import Columns, load_frame

    function = import_string("data.source", source)
    if not callable(function):
        raise ConfigError(f"data.source {source!r} is no function; it must return a DataFrame")
    with user_code_failures(f"data.source {source!r} failed", DataError):
        returned = function()
    if isinstance(returned, pd.DataFrame):
        interactions = load_frame(returned, columns or Columns(), name=source)
    elif isinstance(returned, Interactions):
        interactions = returned
    else:
        raise DataError(
            f"data.source {source!r} returned {type(returned).__name__}, "
            "expected a pandas DataFrame or fedrec.data.interactions.Interactions"
        )
    key = {"source_sha256": fingerprint(interactions), "python": source}
    name = _UNSAFE.sub("-", source.partition(":")[2])
    return Source(name, "python", key, lambda: interactions, is_table=True)


def _sha256(*contents: bytes) -> str:
    """Hash of one file as everybody computes it, or of the hashes of several."""
    if len(contents) == 1:
        return hashlib.sha256(contents[0]).hexdigest()
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()
