"""What the text in ``data.source`` means: where the events are, how to read them, their key."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedrec.dotted import DOTTED_NAME, import_dotted
from fedrec.errors import ConfigError, DataError, ResourceError

if TYPE_CHECKING:
    from fedrec.data.frame import Columns
    from fedrec.data.interactions import Interactions

FORMATS = ("auto", "ml-1m", "ml-100k", "ml-latest-small", "csv", "parquet")

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Source:
    """Events that are not yet read.

    Args:
        name: for folders and reports, letters, digits and ``._-``.
        format: the one found, or "synthetic" or "python".
        key: everything but the thresholds that the prepared data depends on.
        load: reads the events.
    """

    name: str
    format: str
    key: dict[str, Any]
    load: Callable[[], "Interactions"]


def find_source(
    source: str, *, format: str, home: Path, seed: int, columns: "Columns | None"
) -> Source:
    """Find what ``fedrec.data.store.prepare`` is asked for; see there for the forms of a source.

    Raises:
        ConfigError: an unknown format, or a source of no known form.
        DataError: a path that does not exist or holds something else.
        ResourceError: a known dataset that was not downloaded.
    """
    if format not in FORMATS:
        raise ConfigError(f"data.format {format!r} is unknown; one of {', '.join(FORMATS)}")
    if source == "synthetic" or source.startswith("synthetic:"):
        return _synthetic(source, seed)
    if Path(source).exists():
        return _path(Path(source), format, columns)
    if source in ("ml-1m", "ml-100k", "ml-latest-small"):
        return _path(downloaded(source, home), source, columns, name=source)
    if DOTTED_NAME.fullmatch(source):
        return _python(source, columns)
    raise DataError(
        f"data.source {source!r} does not exist; expected a file or folder, synthetic, ml-1m, "
        "ml-100k, ml-latest-small or package.module:name"
    )


def _synthetic(source: str, seed: int) -> Source:
    from fedrec.data import synthetic

    spec = synthetic.read_spec(source)
    key = {"synthetic": asdict(spec), "seed": seed, "generator": synthetic.VERSION}
    return Source("synthetic", "synthetic", key, lambda: synthetic.generate(spec, seed=seed))


def downloaded(name: str, home: Path) -> Path:
    """Where ``fedrec data get`` put a dataset; a ResourceError if it did not."""
    path = home / "downloads" / f"{name}.zip"
    if not path.is_file():
        raise ResourceError(
            f"{name} is not at {path}; run `fedrec data get {name}`, "
            "or set data.source to a copy of yours"
        )
    return path


def _path(path: Path, format: str, columns: "Columns | None", name: str = "") -> Source:
    from fedrec.data.archives import is_archive, read_files
    from fedrec.data.movielens import (
        DESCRIPTIONS,
        LAYOUTS,
        layout_of,
        load_movielens,
        members_of,
    )

    suffix = path.suffix.lower().removeprefix(".")
    is_table = path.is_file() and not is_archive(path)
    if format == "auto" and not is_table:
        found = layout_of(path)
        if found is None:
            raise DataError(
                f"{path} holds none of the MovieLens layouts ({', '.join(LAYOUTS)}); "
                "set data.source to a CSV or parquet file, or data.format to the layout meant"
            )
        format = found
    if format in LAYOUTS:
        layout = format
        if is_table:
            raise DataError(f"{path} is one file; {layout} needs the folder or archive around it")
        members = members_of(path, layout)
        # A folder is hashed by the files that are read, an archive as it is.
        parts = read_files(path, members.values()) if path.is_dir() else {"": path.read_bytes()}
        key = {"source_sha256": _sha256(*(parts[member] for member in sorted(parts)))}
        key["layout"] = layout
        if DESCRIPTIONS.get(layout) in members:
            key["descriptions"] = DESCRIPTIONS[layout]  # of the same archive, once left out
        return Source(name or layout, layout, key, lambda: load_movielens(path, layout))
    found = {"csv": "csv", "tsv": "csv", "parquet": "parquet"}.get(suffix)
    if found is None or (format != "auto" and format != found):
        raise DataError(
            f"{path} is no {'CSV or parquet' if format == 'auto' else format} file by its name; "
            "expected .csv, .tsv or .parquet, or a MovieLens folder or archive"
        )
    return _table(path, found, columns)


def _table(path: Path, format: str, columns: "Columns | None") -> Source:
    from fedrec.data.frame import Columns, load_table

    chosen = columns or Columns()
    files = [path] + ([Path(chosen.items)] if chosen.items else [])
    for file, named in zip(files, ("data.source", "data.items"), strict=False):
        if not file.is_file():
            raise DataError(f"{file} does not exist; set {named} to a file that does")
    names = {**asdict(chosen), "items": ""}
    key = {"source_sha256": _sha256(*(file.read_bytes() for file in files)), "columns": names}
    name = _UNSAFE.sub("-", path.stem).strip("-.")[:40] or "table"
    return Source(name, format, key, lambda: load_table(path, chosen))


def _python(source: str, columns: "Columns | None") -> Source:
    """Call the user's function now: only what it returns can say whether anything changed."""
    import pandas as pd

    from fedrec.data.frame import Columns, load_frame
    from fedrec.data.interactions import Interactions, fingerprint

    function = import_dotted("data.source", source)
    if not callable(function):
        raise ConfigError(f"data.source {source!r} is no function; it must return a DataFrame")
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
    return Source(_UNSAFE.sub("-", source.partition(":")[2]), "python", key, lambda: interactions)


def _sha256(*contents: bytes) -> str:
    """Hash of one file as everybody computes it, or of the hashes of several."""
    if len(contents) == 1:
        return hashlib.sha256(contents[0]).hexdigest()
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()
