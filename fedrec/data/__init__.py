"""Data: readers of files, preparation, storage, splits, partitions, scenarios, domains.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy import lazy_exports

if TYPE_CHECKING:
    from fedrec.data.catalog import Catalog
    from fedrec.data.domains import Domains, merge_domains
    from fedrec.data.genre_profiles import taste_divergence
    from fedrec.data.interactions import Interactions, to_sequences
    from fedrec.data.partition import assign, users_of
    from fedrec.data.partition_rules import PartitionFacts
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
    from fedrec.data.store import Dataset, open_dataset, prepare

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
    "Catalog": "catalog",
    "Columns": "readers.tables",
    "Dataset": "store",
    "Domains": "domains",
    "Interactions": "interactions",
    "PartitionFacts": "partition_rules",
    "Sequences": "sequences",
    "Stage": "splits",
    "TrainingView": "scenarios",
    "assign": "partition",
    "cold_items": "scenarios",
    "few_shot_items": "scenarios",
    "history": "splits",
    "history_mask": "sequences",
    "load_frame": "readers.tables",
    "load_movielens": "readers.movielens",
    "load_table": "readers.tables",
    "merge_domains": "domains",
    "open_dataset": "store",
    "prepare": "store",
    "targets": "splits",
    "taste_divergence": "genre_profiles",
    "to_sequences": "interactions",
    "training_counts": "splits",
    "training_part": "splits",
    "training_view": "scenarios",
    "users_of": "partition",
    "view_mask": "scenarios",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
