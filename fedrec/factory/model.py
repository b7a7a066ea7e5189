"""From a run config to its device and its model with initial weights."""

import numpy as np
import torch

from fedrec.config.config import Config
from fedrec.data.catalog import Catalog
from fedrec.data.title_words import title_words
from fedrec.factory.build_model import build_model
from fedrec.factory.data import cold_items_of
from fedrec.factory.devices import device, uses_kernel
from fedrec.factory.own_views import own_views
from fedrec.models.layers.transformer import CausalTransformer
from fedrec.models.parts import ItemFeatures
from fedrec.models.recommender import Recommender
from fedrec.semantics.table import EmbeddingTable


def make_model(
    config: Config,
    catalog: Catalog,
    table: EmbeddingTable | None,
    frequency: np.ndarray,
    users: np.ndarray | None = None,
) -> Recommender:
    """The model of a config with its initial weights, on the device that the config names.

    Args:
        config: Config of the run.
        catalog: Catalogue of the items.
        table: Frozen embedding table, or none.
        frequency: (V + 1,) Training events per item, zeros where unknown.
        users: (U,) Users held here, for a model that has a row per user.
    """
    if config.model.name == "lora":
        return _language_model(config, catalog)
    model = build_model(
        config.model,
        num_items=catalog.num_items,
        semantic=None if table is None else table.vectors,
        content=catalog.content_features(),
        frequency=frequency,
        seed=config.seed,
        users=users,
        own_views=own_views(config, catalog),
        cold=cold_items_of(config.scenario, seed=config.seed, num_items=catalog.num_items),
        features=lambda: item_features(catalog),
    )
    for part in model.modules():
        if isinstance(part, CausalTransformer):
            part.uses_kernel = uses_kernel(config)
    model.to(device(config))
    return model


def _language_model(config: Config, catalog: Catalog) -> Recommender:
    """The language model of section ``lora`` with its initial adapters."""
    from fedrec.llm.lora.base import with_adapters
    from fedrec.llm.lora.prompt import TitlePrompts
    from fedrec.llm.lora.recommender import LoraRecommender

    adapted, tokenizer = with_adapters(config.lora, config.seed)
    prompts = TitlePrompts(catalog, tokenizer, config.lora.recent)
    return LoraRecommender(adapted, prompts, keeps_b=config.lora.aggregation == "fedsa")


def item_features(catalog: Catalog) -> ItemFeatures:
    """Title words and genres of a catalogue, for a model that trains its embeddings of them."""
    words, genres = title_words(catalog.titles), catalog.genre_matrix()
    if not genres.shape[1]:  # a layer of no inputs is none
        genres = np.zeros((catalog.num_items + 1, 1), dtype=np.float32)
    return ItemFeatures(
        words=torch.from_numpy(words.numbers),
        num_words=len(words.vocabulary),
        genres=torch.from_numpy(genres),
    )
