"""Embeddings of items added after training, by the encoder and projection of the run."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fedrec.config.config import Config
from fedrec.config.values.choices import names_in
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError, DataError
from fedrec.factory.build_model import start_rows
from fedrec.factory.table import open_table
from fedrec.files.home import home
from fedrec.inference.new_items import cold_item_views, with_new_items
from fedrec.inference.search import ItemSearch
from fedrec.models.recommender import Recommender, device_of, output_embeddings
from fedrec.semantics.table import embed_new_items


def usable_views(model: Recommender, config: Config) -> list[str]:
    """List the views by which a run's model can embed new items.

    Raises:
        ConfigError: There is none, or the semantic embeddings of the run were shuffled.
    """
    views = cold_item_views(model)
    if "semantic" in views and config.semantics.shuffled:
        raise ConfigError(
            "the run shuffled the semantic embeddings (semantics.shuffled = true), so that its "
            "model cannot use the text of a new item"
        )
    return views


def extended_search(
    search: ItemSearch, items: Catalog, views: Sequence[str], *, config: Config, trained_on: Catalog
) -> ItemSearch:
    """Add items to a search; scores of the other items stay the same, bit for bit.

    Args:
        search: Search over the catalogue so far.
        items: New items, one or more.
        views: Views that embed them, of ``usable_views``.
        config: Config of the run.
        trained_on: Catalogue that the run was trained on.

    Raises:
        DataError: An item without anything that the model's views read.
    """
    made: dict[str, Callable[[Catalog], NDArray[np.float32]]] = {
        "semantic": lambda new: _semantic_rows(new, config, trained_on),
        "content": trained_on.content_of,
        "identity": lambda new: _initial_rows(new, config, trained_on),
    }
    views = [*views, *["identity"] * _starts_from_text(search.model, config)]
    rows = {view: torch.from_numpy(made[view](items)) for view in views}
    if "semantic" not in views and not bool(rows["content"].any(dim=1).all()):
        raise DataError(
            "this model knows items by genres and year alone, and a new item has neither a "
            "genre of the catalogue nor a year"
        )
    old, new = search.items.stop - 1, items.num_items
    with torch.inference_mode():
        larger = with_new_items(search.model, rows, new)
        numbers = torch.arange(old + 1, old + new + 1, device=device_of(larger))
        vectors = torch.cat([search.vectors, output_embeddings(larger, numbers)])
    return ItemSearch(
        larger, old + new, search.max_length, score_bytes=search.score_bytes, vectors=vectors
    )


def _semantic_rows(items: Catalog, config: Config, trained_on: Catalog) -> NDArray[np.float32]:
    """Semantic embeddings (n, S) of new items."""
    semantics = config.semantics
    return embed_new_items(
        items,
        trained_on,
        encoder=semantics.encoder,
        revision=semantics.revision,
        fields=names_in(semantics.fields),
        width=semantics.width,
        whiten=semantics.whiten,
        long_texts=semantics.long_texts,
        home=home(),
    )


def _starts_from_text(model: Recommender, config: Config) -> bool:
    """Whether ID embeddings were initialised from semantic embeddings."""
    if config.semantics.shuffled or "identity" not in model.view_names:
        return False
    return config.model.identity_start == "text"


def _initial_rows(items: Catalog, config: Config, trained_on: Catalog) -> NDArray[np.float32]:
    """Initial ID embeddings (n, D) of new items."""
    table = open_table(config, trained_on)
    assert table is not None
    return start_rows(table.vectors, config.model.width, _semantic_rows(items, config, trained_on))
