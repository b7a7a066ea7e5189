"""The catalogue: title, genres, year and texts of every item."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import DataError

REVIEWS = "reviews"  # text column of reviews of training events; no prompt shows it


@dataclass(frozen=True, repr=False)
class Catalog:
    """Columns of equal length V; entry ``v - 1`` belongs to item v.

    Args:
        item_ids: Ids of the source, as strings.
        titles: Titles as the source writes them, "" when there is none.
        genres: Names of the item's genres, possibly none.
        years: Year of publication, None when unknown.
        descriptions: Longer text, "" when there is none.
        columns: Further text columns by name.

    Raises:
        DataError: A column is not of length V.
    """

    item_ids: list[str]
    titles: list[str]
    genres: list[tuple[str, ...]]
    years: list[int | None]
    descriptions: list[str]
    columns: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts: dict[str, int] = {name: len(values) for name, values in self.columns.items()}
        for name in ("titles", "genres", "years", "descriptions"):
            parts[name] = len(getattr(self, name))
        for name, length in parts.items():
            if length != self.num_items:
                raise DataError(
                    f"catalogue has {self.num_items} items but {length} entries in {name!r}"
                )

    def __repr__(self) -> str:
        """One line: the number of items and their further columns."""
        further = f", columns {', '.join(self.columns)}" if self.columns else ""
        return f"<Catalog of {self.num_items:,} items{further}>"

    @property
    def num_items(self) -> int:
        """V, the padding not counted."""
        return len(self.item_ids)

    def genre_names(self) -> list[str]:
        """All genres of the catalogue, sorted."""
        return sorted({name for names in self.genres for name in names})

    def genre_matrix(self) -> NDArray[np.float32]:
        """Multi-hot genres, (V + 1, G) in the order of ``genre_names``; row 0 is zero."""
        rows = self._multi_hot(self)
        return np.concatenate([np.zeros_like(rows[:1]), rows])

    def _multi_hot(self, items: "Catalog") -> NDArray[np.float32]:
        """Genres (n, G) of other items; those that this catalogue does not have are left out."""
        column = {name: i for i, name in enumerate(self.genre_names())}
        matrix = np.zeros((items.num_items, len(column)), dtype=np.float32)
        for item, names in enumerate(items.genres):
            matrix[item, [column[name] for name in names if name in column]] = 1.0
        return matrix

    def content_features(self) -> NDArray[np.float32]:
        """Content features of every item, (V + 1, C) with C >= 1; row 0 is zero.

        Multi-hot genres, then the year (mean 0, variance 1 over the known ones, unknown is 0) if
        any is known; a single column of ones for a catalogue with neither.
        """
        features = self.content_of(self)
        return np.concatenate([np.zeros_like(features[:1]), features])

    def content_of(self, items: "Catalog") -> NDArray[np.float32]:
        """``content_features`` (n, C) of other items, by the genres and years of this catalogue.

        Genres that none of its items has are left out.
        """
        known = np.array([year for year in self.years if year is not None], dtype=np.float64)
        blocks = [self._multi_hot(items)]
        if len(known):
            mean, deviation = known.mean(), max(known.std(), 1e-12)
            years = [0.0 if year is None else (year - mean) / deviation for year in items.years]
            blocks.append(np.array(years, dtype=np.float32).reshape(-1, 1))
        features = np.concatenate(blocks, axis=1)
        return features if features.shape[1] else np.ones((items.num_items, 1), dtype=np.float32)

    def select(self, kept: NDArray[np.integer]) -> "Catalog":
        """Catalogue of the entries given (0-based positions), in that order."""
        chosen = [int(position) for position in kept]
        return Catalog(
            [self.item_ids[i] for i in chosen],
            [self.titles[i] for i in chosen],
            [self.genres[i] for i in chosen],
            [self.years[i] for i in chosen],
            [self.descriptions[i] for i in chosen],
            {name: [values[i] for i in chosen] for name, values in self.columns.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries, what ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Catalog":
        """Read what ``to_json`` wrote.

        Raises:
            DataError: A column is missing, unknown or of another length.
        """
        try:
            return cls(**{**data, "genres": [tuple(names) for names in data["genres"]]})
        except (KeyError, TypeError) as error:
            raise DataError(f"catalogue is not in the form that fedrec writes: {error}") from error
