"""Recommend with a finished run: original ids and titles around ``ItemSearch``."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fedrec.config.config import Config
from fedrec.config.values.checks import refuse, require
from fedrec.data.catalog import Catalog
from fedrec.data.preparation.store import Dataset
from fedrec.errors import ConfigError, DataError
from fedrec.inference.card import MIB, recommender_card
from fedrec.inference.carried import NO_USERS
from fedrec.inference.new_item_embeddings import extended_search, usable_views
from fedrec.inference.new_items import catalog_entries, extended
from fedrec.inference.search import ItemSearch
from fedrec.models.hybrid import Hybrid
from fedrec.models.recommender import device_of
from fedrec.semantics.signals.columns import PREFIX


class Recommendation(NamedTuple):
    """One item of a list.

    Attributes:
        item: Original id of the item.
        title: Title, as the source has it.
        score: Score by the model; only differences within one list mean anything.
    """

    item: str
    title: str
    score: float


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class ReadyRecommender:
    """Recommender of a finished run, for its users and for any history of its items.

    A history is a list of original item ids, the newest last, or the original id of a user of the
    data, which stands for all events of that user, the held-out ones included. In a
    multi-domain source, the candidates are the items of the history's domain.

    Attributes:
        name: Name of the run.
        config: Config of the run.
        dataset: Data that the model was trained on.
        catalog: Items of the data, followed by the added ones.
        search: Model with the item embeddings folded for output.
    """

    name: str
    config: Config
    dataset: Dataset
    catalog: Catalog
    search: ItemSearch

    def __repr__(self) -> str:
        """What it is and what it holds in memory, on one line."""
        held = ", ".join(f"{what} {n / MIB:,.1f}" for what, n in self.search.bytes_held.items())
        views = ", ".join(self.search.model.view_names)
        return (
            f"<{type(self).__name__} of run {self.name}: {self.catalog.num_items:,} items by "
            f"{views} on {device_of(self.search.model)}; MiB: {held} at most>"
        )

    def _repr_html_(self) -> str:
        model, users = self.config.model.name, len(self.dataset.user_ids)
        return recommender_card(self.name, model, self.catalog, users, self.search)

    def recommend(
        self, history: str | Sequence[str], k: int = 10, *, exclude: bool = True
    ) -> list[Recommendation]:
        """The k best next items, the best first; fewer if the catalogue has no more.

        Args:
            history: Ids of items, the newest last, or a user's id.
            k: How many.
            exclude: Leave out the items of the history.

        Raises:
            DataError: An unknown user or item, an empty history, or one of several domains.
        """
        return self.recommend_many([history], k, exclude=exclude)[0]

    def recommend_many(
        self, histories: Sequence[str | Sequence[str]], k: int = 10, *, exclude: bool = True
    ) -> list[list[Recommendation]]:
        """``recommend`` for several histories at once, which takes less time than one by one."""
        _check_k(k)
        if isinstance(histories, str):
            raise DataError("recommend_many takes a list of histories; recommend takes one")
        all_numbers = [*map(self.numbers, histories)]
        users = self._user_numbers(histories)
        offered = [self._offered(numbers) for numbers in all_numbers]
        lists: list[list[Recommendation]] = [[] for _ in all_numbers]
        for items in dict.fromkeys(offered):
            places = [place for place, each in enumerate(offered) if each == items]
            found = self.search.top(
                [all_numbers[place] for place in places],
                min(k, len(items)),
                exclude=exclude,
                among=items,
                users=None if users is None else users[places],
            )
            for place, *row in zip(
                places, found.items.tolist(), found.scores.tolist(), strict=True
            ):
                lists[place] = [
                    self._recommendation(item, score)
                    for item, score in zip(*row, strict=True)
                    if item
                ]
        return lists

    def view_weights(self, history: str | Sequence[str]) -> dict[str, float]:
        """Mean gate weight of each view over the items of a history; the weights sum to 1."""
        weights = self.search.view_weights(self.numbers(history))
        return dict(zip(self.search.model.view_names, weights.tolist(), strict=True))

    def item_views(self, item: str) -> dict[str, float]:
        """Weight of each view in the embedding by which an item is found; they sum to 1.

        Empty for a model that does not fuse views.
        """
        number, model = self._number(item), self.search.model
        if not isinstance(model, Hybrid):
            return {}
        with torch.inference_mode():
            items = torch.tensor([number], device=device_of(model))
            weights = model.output_weights(model.look_up(items))[0]
        return dict(zip(model.view_names, weights.tolist(), strict=True))

    def signals(self, item: str) -> dict[str, str]:
        """Kind -> semantic signal of an item that the run's model reads; see semantics.signals."""
        place = self._number(item) - 1
        return {
            name.removeprefix(PREFIX): texts[place]
            for name, texts in self.catalog.columns.items()
            if name.startswith(PREFIX) and texts[place]
        }

    def rank_of(self, item: str, history: str | Sequence[str], *, exclude: bool = True) -> float:
        """Rank of an item for a history: 1 is the top, an equal rival counts half.

        Args:
            item: Original id; it is ranked even if it is in the history.
            history: History, as for ``recommend``.
            exclude: The other items of the history are no candidates.

        Raises:
            DataError: As for ``recommend``; or the item is of another domain than the history.
        """
        numbers, number = self.numbers(history), self._number(item)
        items = self._offered(numbers)
        if number not in items:
            raise DataError(
                f"item {item!r} is of another domain than the history and is not offered there; "
                "it has no rank"
            )
        return self.search.rank(numbers, number, exclude=exclude, among=items)

    def nearest(self, item: str, k: int = 10) -> list[Recommendation]:
        """The k items with the nearest item embeddings; the score is the cosine.

        In a multi-domain source, they are of the item's domain.
        """
        _check_k(k)
        number = self._number(item)
        offered = self._offered(np.array([number]))
        items, scores = self.search.nearest(number, min(k, len(offered)), among=offered)
        return [
            self._recommendation(int(other), float(score))
            for other, score in zip(items, scores, strict=True)
            if other
        ]

    def with_items(
        self,
        titles: Sequence[str],
        *,
        ids: Sequence[str] | None = None,
        genres: Sequence[Sequence[str]] | None = None,
        years: Sequence[int | None] | None = None,
        descriptions: Sequence[str] | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> "ReadyRecommender":
        """A recommender whose catalogue also holds items that came after training.

        Nothing is trained: their text goes through the encoder and the projection that made the
        run's table, their genres and year through the rules of the run's catalogue. Scores of the
        other items stay the same, bit for bit.

        Args:
            titles: One for each new item.
            ids: "new-1", "new-2", ... if none are given; the catalogue holds them from now on.
            genres: Genres of each new item.
            years: Year of each; else the one in parentheses at the end of a title.
            descriptions: Description of each new item.
            columns: Further text columns of the data, by name.

        Raises:
            ConfigError: The model has ID embeddings alone, its semantic ones were shuffled, or its
                data is a multi-domain source.
            DataError: An id that is taken, columns that do not fit, or nothing said of an item that
                the model reads.
        """
        if self.dataset.domains is not None:
            raise ConfigError(
                "items cannot be added to a run on several sources, of which each offers its own "
                f"({', '.join(self.dataset.domains.names)}); add them to a run on one of them"
            )
        views = usable_views(self.search.model, self.config)
        items = catalog_entries(
            self.catalog,
            titles,
            ids=ids,
            genres=genres,
            years=years,
            descriptions=descriptions,
            columns=columns,
        )
        search = extended_search(
            self.search, items, views, config=self.config, trained_on=self.dataset.catalog
        )
        return dataclasses.replace(self, catalog=extended(self.catalog, items), search=search)

    def numbers(self, history: str | Sequence[str]) -> NDArray[np.int64]:
        """Item numbers (n,) of a history of ids, or of a user's."""
        if isinstance(history, str):
            place = self._users.get(history)
            if place is None and not self._users:
                raise DataError(
                    f"user {history!r} is unknown: {self.dataset.manifest.get(NO_USERS)}; give a "
                    "history of item ids, as a list (in the shell --history)"
                )
            if place is None:
                raise DataError(
                    f"user {history!r} is none of the {len(self._users):,} users of "
                    f"{self.dataset.name}, such as {self.dataset.user_ids[0]!r}; a history of item "
                    "ids is a list (in the shell --history)"
                )
            return self.dataset.sequences.of(place).astype(np.int64)
        if not isinstance(history, Collection):
            raise DataError(
                f"a history is a list of item ids, or a user's id as text, got {history!r}"
            )
        if not len(history):
            raise DataError("the history is empty; give the id of at least one item")
        return np.array([self._number(item) for item in history], dtype=np.int64)

    def _user_numbers(self, histories: Sequence[str | Sequence[str]]) -> NDArray[np.int64] | None:
        """Numbers (B,) of the users that histories stand for, where the model has rows of them."""
        if not self.search.model.user_arrays:
            return None
        for history in histories:
            if not isinstance(history, str):
                raise DataError(
                    f"a model {self.name!r} knows users by the rows it was trained with and reads "
                    f"no history; give the id of a user, got {history!r}"
                )
        return np.array([self._users[history] for history in map(str, histories)], dtype=np.int64)

    def _offered(self, numbers: NDArray[np.int64]) -> range:
        """The candidates for a history of items: the whole catalogue, or that of its domain."""
        domains = self.dataset.domains
        return self.search.items if domains is None else domains.span_of(numbers)

    def _number(self, item: str) -> int:
        number = self._items.get(item) if isinstance(item, str) else None
        if number is None:
            raise DataError(
                f"item {item!r} is none of the {len(self._items):,} items of {self.dataset.name} "
                "that the run knows; histories hold original ids, as text"
            )
        return number

    def _recommendation(self, number: int, score: float) -> Recommendation:
        item = number - 1
        return Recommendation(self.catalog.item_ids[item], self.catalog.titles[item], score)

    @cached_property
    def _items(self) -> dict[str, int]:
        return {identity: place for place, identity in enumerate(self.catalog.item_ids, start=1)}

    @cached_property
    def _users(self) -> dict[str, int]:
        return {identity: place for place, identity in enumerate(self.dataset.user_ids)}


def _check_k(k: int) -> None:
    is_whole = isinstance(k, int | np.integer) and not isinstance(k, bool)
    refuse([require(is_whole and k >= 1, "k", "a whole number of 1 or more", k)])
