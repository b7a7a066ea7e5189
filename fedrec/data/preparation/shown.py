"""What a terminal or a notebook cell shows of a dataset: its sizes, never its events."""

from pathlib import Path
from typing import Any

import numpy as np

from fedrec.data.catalog import Catalog
from fedrec.data.sequences import Sequences
from fedrec.notebook.card import card, span


class ShownDataset:
    """The representations of a dataset."""

    name: str
    catalog: Catalog
    sequences: Sequences
    attributes: dict[str, list[str]]
    data_hash: str
    manifest: dict[str, Any]
    folder: Path | None

    def __repr__(self) -> str:
        """One line: name and sizes."""
        return (
            f"<Dataset {self.name}: {self.sequences.num_users:,} users, "
            f"{self.catalog.num_items:,} items, {self.sequences.num_events:,} events>"
        )

    def _repr_html_(self) -> str:
        lengths = self.sequences.lengths()
        made = self.manifest.get("facts", {})
        known = [name for name in ("titles", "genres", "years", "descriptions") if self._has(name)]
        facts = {
            "users": f"{self.sequences.num_users:,}",
            "items": f"{self.catalog.num_items:,}",
            "events": f"{self.sequences.num_events:,}",
            "events a user": span(lengths.min(), float(np.median(lengths)), lengths.max()),
            "known of items": ", ".join([*known, *self.catalog.columns]),
            "known of users": ", ".join(self.attributes),
            "domains": ", ".join(made.get("domains") or []),
            "source": made.get("source"),
            "hash": self.data_hash[:16],
            "folder": self.folder,
        }
        return card(f"Dataset {self.name}", facts, made.get("notes") or [])

    def _has(self, column: str) -> bool:
        return any(getattr(self.catalog, column))
