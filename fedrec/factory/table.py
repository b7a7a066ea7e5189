"""From a run config to its frozen embedding table, with signals in the items' texts."""

from pathlib import Path

import numpy as np

from fedrec.config.config import Config
from fedrec.config.sections.semantics import Semantics
from fedrec.config.start_file import signals_file
from fedrec.config.values.choices import (
    BASELINE_MODELS,
    OF_TEXT,
    names_in,
    signal_kind,
)
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.files.home import home
from fedrec.semantics.encoders import open_encoder
from fedrec.semantics.raw_vectors import open_text_encoder
from fedrec.semantics.signals.columns import PREFIX, column_of, with_signals
from fedrec.semantics.signals.store import Signals, read_signals
from fedrec.semantics.table import EmbeddingTable, embedding_table
from fedrec.semantics.texts import check_fields
from fedrec.semantics.view_tables import text_view


def needs_table(config: Config) -> bool:
    """Whether the model reads semantic embeddings, as a view or to initialise ID embeddings."""
    if config.model.name in BASELINE_MODELS:
        return config.model.name in OF_TEXT
    views = names_in(config.model.views)
    starts_from_text = "identity" in views and config.model.identity_start == "text"
    return "semantic" in views or starts_from_text


def check_table(config: Config, catalog: Catalog) -> None:
    """Refuse an encoder or fields of which no embedding table can be made; none is made yet.

    Args:
        config: Config of the run.
        catalog: Items whose texts are embedded.

    Raises:
        ConfigError: No such encoder or revision, or fields that the catalogue does not have.
        ResourceError: The encoder cannot be fetched.
    """
    if needs_table(config):
        open_encoder(config.semantics.encoder, revision=config.semantics.revision)
        described = catalog_with_signals(config.semantics, catalog, seed=config.seed)
        check_fields(described, names_in(config.semantics.fields))


def open_table(config: Config, catalog: Catalog) -> EmbeddingTable | None:
    """The frozen embedding table, from the cache on disk if it is there; None if nothing reads it.

    Args:
        config: Config of the run.
        catalog: Items whose texts are embedded.
    """
    if not needs_table(config):
        return None
    return make_table(config.semantics, catalog, seed=config.seed)


def make_table(settings: Semantics, catalog: Catalog, *, seed: int) -> EmbeddingTable:
    """The frozen embedding table that section ``semantics`` asks for.

    Args:
        settings: Section ``semantics``.
        catalog: Items whose texts are embedded.
        seed: Seed of the run, by which ``semantics.shuffled`` permutes the rows.
    """
    return embedding_table(
        catalog_with_signals(settings, catalog, seed=seed),
        encoder=settings.encoder,
        revision=settings.revision,
        fields=names_in(settings.fields),
        width=settings.width,
        whiten=settings.whiten,
        home=home(),
        shuffle_seed=seed if settings.shuffled else None,
        long_texts=settings.long_texts,
    )


def signals_of(settings: Semantics) -> Signals | None:
    """The file of signals that section ``semantics`` names, or None.

    Raises:
        DataError: It cannot be read, or is none.
    """
    return read_signals(Path(signals_file(settings.signals))) if settings.signals else None


def catalog_with_signals(settings: Semantics, catalog: Catalog, *, seed: int) -> Catalog:
    """The catalogue with a text column for each kind of signals, where a file of them is named.

    Args:
        settings: Section ``semantics``.
        catalog: Catalogue of the items.
        seed: Seed of the run, by which ``semantics.signals-control = "shuffled"`` permutes.

    Raises:
        ConfigError: No item has a signal.
        DataError: The file cannot be read.
    """
    signals = signals_of(settings)
    if signals is None:
        return catalog
    return with_signals(catalog, signals, control=settings.signals_control, seed=seed)


def signals_view(config: Config, catalog: Catalog, view: str) -> np.ndarray:
    """Table (V + 1, S) of the view "signal-KIND" or "signals-mean".

    Raises:
        ConfigError: No item has a signal, or none of the kind.
        DataError: The file cannot be read.
        ResourceError: The weights of the encoder are missing.
    """
    settings = config.semantics
    joined = catalog_with_signals(settings, catalog, seed=config.seed)
    known = [name for name in joined.columns if name.startswith(PREFIX)]
    kind = signal_kind(view)
    columns = [column_of(kind)] if kind else known
    for column in columns:
        if column not in known or not any(joined.columns[column]):
            raise ConfigError(
                f"model.views names {view!r}, but {settings.signals} has no such signal; it has "
                f"{', '.join(known)}"
            )
    encoder = open_text_encoder(
        settings.encoder, revision=settings.revision, long_texts=settings.long_texts
    )
    texts = [joined.columns[column] for column in columns]
    return text_view(texts, encoder, width=settings.width, whiten=settings.whiten, home=home())
