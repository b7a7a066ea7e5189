"""From a run config to its frozen embedding table."""

from fedrec.config.config import Config
from fedrec.config.sections.semantics import Semantics
from fedrec.config.values.choices import BASELINE_MODELS, names_in
from fedrec.data.catalog import Catalog
from fedrec.files.home import home
from fedrec.semantics.encoders import open_encoder
from fedrec.semantics.table import EmbeddingTable, embedding_table
from fedrec.semantics.texts import check_fields


def needs_table(config: Config) -> bool:
    """Whether the model reads semantic embeddings, as a view or to initialise ID embeddings."""
    if config.model.name in BASELINE_MODELS:
        return False
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
        check_fields(catalog, names_in(config.semantics.fields))


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
        catalog,
        encoder=settings.encoder,
        revision=settings.revision,
        fields=names_in(settings.fields),
        width=settings.width,
        whiten=settings.whiten,
        home=home(),
        shuffle_seed=seed if settings.shuffled else None,
        long_texts=settings.long_texts,
    )
