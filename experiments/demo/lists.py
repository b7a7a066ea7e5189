"""Lists of one user or history side by side: global, personalised, semantic-only, popularity."""

import csv
import io
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.recommend.answer import NOT_TRAINED, history_of, listed
from experiments.recommend.opened import Opened
from fedrec.baselines.nearest_text import nearest_text_scorer
from fedrec.baselines.popularity import popularity_scorer
from fedrec.config.values.choices import names_in
from fedrec.evaluation.leave_one_out import Scorer
from fedrec.inference.recommender import ReadyRecommender, Recommendation
from fedrec.runs.contents import content_of

TEXT = "views.semantic.table"
Listing = dict[str, Any]


class SideBySide:
    """Lists by several rankings.

    Args:
        opened: The run, or an exported model.
    """

    def __init__(self, opened: Opened) -> None:
        self.opened = opened

    def of(self, whom: str | Sequence[str], k: int) -> dict[str, Any]:
        """Lists for a user or a history, each with its items, or why there are none.

        Args:
            whom: A user's id, or item ids with the newest last.
            k: Length of a list.

        Raises:
            DataError: An unknown user or item.
        """
        ready = self.opened.shared
        history = history_of(ready, whom)
        return {
            "history": history,
            "lists": [
                self._global(whom, k),
                self._own(whom, k),
                self._scored("semantic", self._text, whom, k),
                self._scored("popularity", self._counts, whom, k),
            ],
        }

    def _global(self, whom: str | Sequence[str], k: int) -> Listing:
        if not self.opened.is_model:
            return _none("global", "The shared weights alone are no model: ID embeddings stay.")
        return _by_model("global", self.opened.shared, whom, k)

    def _own(self, whom: str | Sequence[str], k: int) -> Listing:
        if self.opened.run is None:
            return _none("personalised", "An exported model holds no private part of any client.")
        if not names_in(self.opened.shared.config.model.private):
            return _none(
                "personalised",
                "Nothing is private in this run: each device ranks by the global model.",
            )
        if not isinstance(whom, str):
            return _none("personalised", "A typed history is no client's; pick a user.")
        own = self.opened.of_user(whom)
        if own is None:
            reason = self.opened.why_not or NOT_TRAINED
            return _none("personalised", f"{reason[0].upper()}{reason[1:]}.")
        return _by_model("personalised", own, whom, k)

    def _scored(
        self, name: str, scorer: Scorer | str, whom: str | Sequence[str], k: int
    ) -> Listing:
        """The list of a ranking without training; ``scorer`` may be why there is none."""
        if isinstance(scorer, str):
            return _none(name, scorer)
        ready = self.opened.shared
        numbers = ready.numbers(whom)
        scores = np.array(scorer([numbers]).scores[0], dtype=np.float64)
        domains = ready.dataset.domains
        offered = ready.search.items if domains is None else domains.span_of(numbers)
        is_offered = np.zeros(len(scores), dtype=bool)
        is_offered[offered.start : offered.stop] = True
        is_offered[numbers] = False
        order = np.argsort(np.where(is_offered, -scores, np.inf), kind="stable")
        best = order[: min(k, int(is_offered.sum()))]
        found = [_recommendation(ready, int(item), float(scores[item])) for item in best]
        rows = [row | {"views": {}} for row in listed(ready, found)]
        return {"name": name, "items": rows, "views": {}, "reason": ""}

    @cached_property
    def _text(self) -> Scorer | str:
        buffers = dict(self.opened.shared.search.model.named_buffers())
        if TEXT not in buffers:
            return "This model reads no text embeddings."
        return nearest_text_scorer(buffers[TEXT].cpu().numpy())

    @cached_property
    def _counts(self) -> Scorer | str:
        counts = self._training_counts()
        if counts is None or not counts.any():
            return "No client sent counts per item."
        return popularity_scorer(counts)

    def _training_counts(self) -> NDArray[np.int64] | None:
        """(V + 1,) Training events per item: of items.csv, or of the model that reads them."""
        run, num_items = self.opened.run, self.opened.shared.catalog.num_items
        if run is None:
            frequency = dict(self.opened.shared.search.model.named_buffers()).get("frequency")
            return None if frequency is None else frequency.cpu().numpy().astype(np.int64)
        text = content_of(run.folder / "items.csv").decode("utf-8", "replace")
        counts = np.zeros(num_items + 1, dtype=np.int64)
        for row in csv.DictReader(io.StringIO(text)):
            counts[int(row["item"])] = int(row.get("training_events") or 0)
        return counts


def _by_model(name: str, ready: ReadyRecommender, whom: str | Sequence[str], k: int) -> Listing:
    items = listed(ready, ready.recommend(whom, k))
    return {"name": name, "items": items, "views": ready.view_weights(whom), "reason": ""}


def _none(name: str, reason: str) -> Listing:
    return {"name": name, "items": [], "views": {}, "reason": reason}


def _recommendation(ready: ReadyRecommender, item: int, score: float) -> Recommendation:
    catalog = ready.catalog
    return Recommendation(catalog.item_ids[item - 1], catalog.titles[item - 1], score)
