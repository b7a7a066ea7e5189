"""Data: readers of files, preparation, storage, splits, partitions, scenarios, domains.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.data.catalog import Catalog
    from fedrec.data.domains import Domains, merge_domains
    from fedrec.data.genre_profiles import taste_divergence
    from fedrec.data.interactions import Interactions, to_sequences
    from fedrec.data.partitions.assign import assign, users_of
    from fedrec.data.partitions.rules import PartitionFacts
    from fedrec.data.preparation.store import Dataset, open_dataset, prepare
    from fedrec.data.readers.movielens import load_movielens
    from fedrec.data.readers.tables import Columns, load_frame, load_table
    from fedrec.data.scenarios import (
        TrainingView,
        cold_items,
        few_shot_items,
        training_view,
        view_mask,
    )
    from fedrec.data.sequences import Sequences, history_mask
    from fedrec.data.splits import Stage, history, targets, training_counts, training_part

__all__ = [
    "Catalog",
    "Columns",
    "Dataset",
    "Domains",
    "Interactions",
    "PartitionFacts",
    "Sequences",
    "Stage",
    "TrainingView",
    "assign",
    "cold_items",
    "few_shot_items",
    "history",
    "history_mask",
    "load_frame",
    "load_movielens",
    "load_table",
    "merge_domains",
    "open_dataset",
    "prepare",
    "targets",
    "taste_divergence",
    "to_sequences",
    "training_counts",
    "training_part",
    "training_view",
    "users_of",
    "view_mask",
]

_HOMES = {
    "Catalog": "fedrec.data.catalog",
    "Columns": "fedrec.data.readers.tables",
    "Dataset": "fedrec.data.preparation.store",
    "Domains": "fedrec.data.domains",
    "Interactions": "fedrec.data.interactions",
    "PartitionFacts": "fedrec.data.partitions.rules",
    "Sequences": "fedrec.data.sequences",
    "Stage": "fedrec.data.splits",
    "TrainingView": "fedrec.data.scenarios",
    "assign": "fedrec.data.partitions.assign",
    "cold_items": "fedrec.data.scenarios",
    "few_shot_items": "fedrec.data.scenarios",
    "history": "fedrec.data.splits",
    "history_mask": "fedrec.data.sequences",
    "load_frame": "fedrec.data.readers.tables",
    "load_movielens": "fedrec.data.readers.movielens",
    "load_table": "fedrec.data.readers.tables",
    "merge_domains": "fedrec.data.domains",
    "open_dataset": "fedrec.data.preparation.store",
    "prepare": "fedrec.data.preparation.store",
    "targets": "fedrec.data.splits",
    "taste_divergence": "fedrec.data.genre_profiles",
    "to_sequences": "fedrec.data.interactions",
    "training_counts": "fedrec.data.splits",
    "training_part": "fedrec.data.splits",
    "training_view": "fedrec.data.scenarios",
    "users_of": "fedrec.data.partitions.assign",
    "view_mask": "fedrec.data.scenarios",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
