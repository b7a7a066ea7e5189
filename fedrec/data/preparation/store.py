"""Datasets: prepared once per source, options and format version, opened memory-mapped.

They lie under ``<home>/prepared`` (see ``prepared_folder``); their bytes are checked when opened.
"""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedrec.data.catalog import REVIEWS, Catalog
from fedrec.data.domains import COLUMN, Domains, domains_of
from fedrec.data.interactions import Interactions, Prepared
from fedrec.data.preparation.prepared_folder import (
    FORMAT,
    damaged,
    json_bytes,
    make_manifest,
    open_catalog,
    read_arrays,
    read_document,
    read_manifest,
    write_folder,
)
from fedrec.data.preparation.reviews import with_reviews
from fedrec.data.preparation.shown import ShownDataset
from fedrec.data.preparation.sources import Source, find_source
from fedrec.data.preparation.thresholds import Thresholds
from fedrec.data.sequences import Sequences
from fedrec.errors import DataError, ResourceError
from fedrec.files.atomic import lock, sha256
from fedrec.files.home import home as default_home

if TYPE_CHECKING:
    import pandas as pd

    from fedrec.data.readers.tables import Columns

log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Dataset(ShownDataset):
    """Prepared data: items 1..V with their catalogue, users 0..U-1 with their sequences.

    Args:
        name: Name for reports.
        catalog: Items; entry v - 1 belongs to item v.
        sequences: Events by user; memory-mapped and read-only when opened from a folder.
        user_ids: Original id of each user.
        attributes: User attribute name -> value of each user.
        data_hash: SHA-256 over arrays, catalogue, user ids and attributes.
        manifest: Source, options, counts, what was skipped, notes.
        folder: Folder it is stored in, None for a dataset in memory.
    """

    name: str
    catalog: Catalog
    sequences: Sequences
    user_ids: list[str]
    attributes: dict[str, list[str]]
    data_hash: str
    manifest: dict[str, Any]
    folder: Path | None = None

    @cached_property
    def domains(self) -> Domains | None:
        """Domains of users and items in a multi-domain source; None for a single one."""
        names = self.manifest.get("facts", {}).get("domains")
        return domains_of(names, self.catalog, self.attributes[COLUMN]) if names else None

    @classmethod
    def load(
        cls,
        name: str,
        source: str | Path | None = None,
        *,
        columns: "Columns | None" = None,
        min_item_events: int = 5,
        min_user_events: int = 3,
        top_items: int = 0,
        sessions: str = "",
        seed: int = 0,
    ) -> "Dataset":
        """Prepare a dataset under ``$FEDREC_HOME`` and open it; what is prepared is opened at once.

        Args:
            name: A name ("ml-1m", "synthetic", ...), a path, "package.module:name" of a function,
                or several joined by " + "; see ``prepare``.
            source: Path that holds it; a format's name ("csv", "ml-1m") then says how it is read.
            columns: Which column holds what, for CSV and parquet.
            min_item_events: Items with fewer events are dropped.
            min_user_events: Users with fewer events are dropped.
            top_items: So many most frequent items are kept; 0 keeps all.
            sessions: "day" makes a user of each day of a person.
            seed: Seed of the synthetic data.

        Raises:
            ConfigError: An unknown name or column.
            DataError: The source is not as it should be; names file and line.
            ResourceError: Not downloaded yet, or the folder cannot be written.
        """
        from fedrec.data.readers.detect import FORMATS  # which imports pandas

        if not isinstance(name, str | Path):
            raise DataError(f"name must be a dataset's name or a path, got {name!r}")
        if source is not None and not os.path.exists(source):
            raise DataError(f"source {str(source)!r} of dataset {name!r} does not exist")
        folder = prepare(
            str(name if source is None else source),
            format=name if source is not None and name in FORMATS else "auto",
            home=default_home(),
            seed=seed,
            min_item_events=min_item_events,
            min_user_events=min_user_events,
            top_items=top_items,
            sessions=sessions,
            columns=columns,
        )
        return open_dataset(folder)

    @classmethod
    def from_frame(
        cls,
        frame: "pd.DataFrame",
        *,
        columns: "Columns | None" = None,
        name: str = "frame",
        min_item_events: int = 5,
        min_user_events: int = 3,
        top_items: int = 0,
        home: Path | None = None,
    ) -> "Dataset":
        """Prepare a DataFrame with one row per event.

        Args:
            frame: Events, one a row.
            columns: Names of the columns; the standard names by default.
            name: Name of the dataset: letters, digits, ``._-``.
            min_item_events: Items with fewer events are dropped.
            min_user_events: Users with fewer events are dropped.
            top_items: So many most frequent items are kept; 0 keeps all.
            home: Folder to store it under this folder and open it from there; in memory by default.

        Raises:
            DataError: The message names the row and the column that cannot be used.
        """
        import pandas as pd

        from fedrec.data.readers.tables import Columns, load_frame

        if not isinstance(frame, pd.DataFrame):
            raise DataError(f"frame must be a pandas DataFrame, got {type(frame).__name__}")
        interactions = load_frame(frame, columns or Columns(), name=name)
        kept = Thresholds(min_item_events, min_user_events, top_items)
        if home is not None:
            return open_dataset(_stored(interactions, name, home, kept))
        prepared, facts = kept.apply(interactions, {"source": name})
        manifest = make_manifest(prepared, name=name, facts=facts)
        parts = prepared.catalog, prepared.sequences, prepared.user_ids, prepared.attributes
        return cls(name, *parts, manifest["data_hash"], manifest)


def prepare(
    source: str,
    *,
    home: Path,
    seed: int,
    format: str = "auto",
    min_item_events: int = 5,
    min_user_events: int = 3,
    top_items: int = 0,
    sessions: str = "",
    columns: "Columns | None" = None,
    reviews: bool = False,
) -> Path:
    """Prepare a source, unless that is done, and return its folder; a damaged one is made again.

    Processes may call this at once: one works, the others wait.

    Args:
        source: "synthetic[:users=..,items=..]", "ml-1m" and the like for what ``fedrec data get``
            put under ``home/downloads``, a path (zip, tar, folder, CSV, parquet), a prepared
            folder, or "package.module:name" of a function that returns a DataFrame or Interactions.
            Several, joined by " + ", are domains: each with users and a catalogue of its own.
        home: Folder of all data; this one goes to ``home/prepared/<name>-<key>``.
        seed: Seed of the synthetic data; other sources do not depend on it.
        format: "auto" or one of ``fedrec.data.readers.detect.FORMATS``, for all sources.
        min_item_events: Items with fewer events are dropped, in one pass.
        min_user_events: Users with fewer remaining events are dropped.
        top_items: So many most frequent items are kept; 0 keeps all.
        sessions: "day" makes a user of each day of a person; see ``fedrec.data.day_sessions``.
        columns: Names of the columns, for CSV, parquet and DataFrames.
        reviews: Whether the catalogue holds texts of reviews, where there are any.

    Raises:
        ConfigError: A key of ``data`` that cannot be.
        DataError: The source is not as it should be; names file and line.
        ResourceError: Not downloaded yet, or the folder cannot be written.
    """
    kept = Thresholds(min_item_events, min_user_events, top_items, sessions)
    if _is_prepared(source):
        kept.check_prepared(source, read_manifest(Path(source))["facts"])
        return Path(source).absolute()
    found = find_source(source, format=format, home=home, seed=seed, columns=columns)
    folder = _folder(found, kept.options | ({REVIEWS: True} if reviews else {}), home)

    def make() -> tuple[Prepared, dict[str, Any]]:
        facts = {"source": source, "format": found.format, **found.key}
        prepared, facts = kept.apply(found.load(), facts)
        if reviews and (texts := found.load_reviews()):
            prepared, facts = with_reviews(prepared, texts, facts)
        return prepared, make_manifest(prepared, name=found.name, facts=facts)

    return _ensured(folder, make)


def store(
    interactions: Interactions,
    *,
    name: str,
    home: Path,
    min_item_events: int = 5,
    min_user_events: int = 3,
    top_items: int = 0,
    sessions: str = "",
) -> Path:
    """Prepare interactions in memory into a folder named by their content; raises as `prepare`."""
    kept = Thresholds(min_item_events, min_user_events, top_items, sessions)
    return _stored(interactions, name, home, kept)


def _stored(interactions: Interactions, name: str, home: Path, kept: Thresholds) -> Path:
    prepared, facts = kept.apply(interactions, {"source": name})
    manifest = make_manifest(prepared, name=name, facts=facts)
    folder = home / "prepared" / f"{name}-{manifest['data_hash'][:16]}"
    return _ensured(folder, lambda: (prepared, manifest))


def open_dataset(folder: Path) -> Dataset:
    """Open prepared data, memory-mapped and read-only; every byte is checked against the manifest.

    Raises:
        DataError: The folder is missing, of another format version or damaged.
    """
    catalog, data_hash = open_catalog(folder)
    manifest = read_manifest(folder)
    users = read_document(folder, "users.json", manifest["parts"]["users"])
    arrays = read_arrays(folder, manifest["parts"])
    try:
        sequences = Sequences(arrays["items"], arrays["offsets"], arrays.get("times"))
        decoded = json.loads(users)
        user_ids, attributes = decoded["user_ids"], decoded["attributes"]
    except (ValueError, KeyError) as error:
        raise damaged(folder, str(error)) from error
    return Dataset(
        manifest["name"], catalog, sequences, user_ids, attributes, data_hash, manifest, folder
    )


def _is_prepared(source: str) -> bool:
    """Whether a source is itself a prepared folder, as data from Python is."""
    return os.path.isfile(Path(source) / "manifest.json")  # False for a name that is too long


def _folder(found: Source, options: dict[str, Any], home: Path) -> Path:
    key = sha256(json_bytes({"format version": FORMAT, **found.key, **options}))
    return home / "prepared" / f"{found.name}-{key[:16]}"


def _ensured(folder: Path, make: Callable[[], tuple[Prepared, dict[str, Any]]]) -> Path:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(folder.with_name(f".{folder.name}.lock")):
            if not _is_sound(folder):
                write_folder(folder, *make())
    except OSError as error:
        raise ResourceError(
            f"cannot write prepared data to {folder.parent} ({error.strerror or error}); "
            "free space there or set FEDREC_HOME to a folder that can be written"
        ) from error
    return folder


def _is_sound(folder: Path) -> bool:
    if not folder.exists():
        return False
    try:
        open_dataset(folder)
    except DataError as error:
        log.warning("%s; it is made again", error)
        return False
    return True
