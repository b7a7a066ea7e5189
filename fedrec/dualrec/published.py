"""An exhibit, not an evaluation: what DUALRec's published scoring gives to any list.

Its code (arXiv 2507.13957, evaluation.py) sorts each list by similarity to the predicted film
AND TO THE FIVE TRUE ONES, calls any of the five a hit, and takes titles for equal at a difflib
ratio of .8. Nothing here may rank what somebody is shown: the truth is an input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from fedrec.dualrec.rerank import Lists, sorted_by
from fedrec.errors import EvaluationError
from fedrec.randomness import generator

SAME_TITLE = 0.8
NEXT_ITEM = "next item (the honest scoring)"
ANY_OF_FIVE = "any of the last five, fuzzy titles"
WITH_THE_TRUTH = "as published: reranked with the truth, any of the last five, fuzzy titles"


@dataclass(frozen=True, kw_only=True)
class ScoringExhibit:
    """The same lists under one scoring.

    Attributes:
        scoring: ``NEXT_ITEM``, ``ANY_OF_FIVE`` or ``WITH_THE_TRUTH``.
        users: Users.
        hit_rate: HR@k by k.
        ndcg: NDCG@k by k; the first hit alone counts.
        genre_jaccard: Of the first of each list with the next film; as published the largest of
            those with the last five. None without genres.
    """

    scoring: str
    users: int
    hit_rate: dict[int, float]
    ndcg: dict[int, float]
    genre_jaccard: float | None


def exhibit_of_published_scoring(
    lists: Lists,
    predicted: NDArray[np.integer],
    last_five: NDArray[np.integer],
    titles: Sequence[str],
    table: NDArray[np.floating],
    *,
    genres: NDArray[np.floating] | None = None,
    at: Sequence[int] = (1, 5),
) -> list[ScoringExhibit]:
    """Score the same lists honestly and as published.

    Args:
        lists: (U, K) Items in the order of the method; 0 fills a shorter list.
        predicted: (U,) Stage 1's first item.
        last_five: (U, T) The true items after the history, the next one first.
        titles: V titles with their years.
        table: (V + 1, S) Sentence embeddings.
        genres: (V + 1, G) Multi-hot genres.
        at: Values of k.

    Returns:
        The three scorings, the honest one first.

    Raises:
        EvaluationError: Shapes that do not fit, or no user.
    """
    users = len(lists)
    if not users or lists.ndim != 2 or last_five.ndim != 2 or len(last_five) != users:
        raise EvaluationError(
            f"lists must be (users, K) and the last items (users, T), got {lists.shape} and "
            f"{last_five.shape}"
        )
    same = _SameTitle(titles)
    with_truth = _sorted_with_the_truth(lists, predicted, last_five, table)
    honest = lists == last_five[:, :1]
    return [
        _exhibit(NEXT_ITEM, honest, _jaccard(lists, last_five[:, :1], genres), at),
        _exhibit(ANY_OF_FIVE, same.hits(lists, last_five), _jaccard(lists, last_five, genres), at),
        _exhibit(
            WITH_THE_TRUTH,
            same.hits(with_truth, last_five),
            _jaccard(with_truth, last_five, genres),
            at,
        ),
    ]


def random_lists(
    num_users: int,
    num_items: int,
    length: int,
    *,
    seed: int,
    excluded: Sequence[Sequence[int]] = (),
) -> NDArray[np.int64]:
    """Lists (U, K) of items drawn without any knowledge, for the exhibit's first row.

    Args:
        num_users: U.
        num_items: V.
        length: K.
        seed: Seed of the draws.
        excluded: Items of each user that are not drawn, usually the history.

    Raises:
        EvaluationError: A user with fewer than K items to draw from.
    """
    found = np.empty((num_users, length), dtype=np.int64)
    for user in range(num_users):
        free = np.arange(1, num_items + 1)
        if len(excluded):
            free = np.setdiff1d(free, np.asarray(excluded[user], dtype=np.int64))
        if len(free) < length:
            raise EvaluationError(f"user {user} has {len(free)} items to draw {length} from")
        stream = generator(seed, "random-lists", user)
        found[user] = stream.choice(free, size=length, replace=False)
    return found


def _sorted_with_the_truth(
    lists: Lists,
    predicted: NDArray[np.integer],
    last_five: NDArray[np.integer],
    table: NDArray[np.floating],
) -> Lists:
    """Lists by their largest cosine to the prediction and to the true items: the leak itself."""
    rows = table.astype(np.float64)
    units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    references = np.concatenate([predicted[:, None], last_five], axis=1)
    cosines = np.einsum("uks,urs->ukr", units[lists], units[references])
    return sorted_by(lists, cosines.max(axis=2))


class _SameTitle:
    """Whether two items have titles that difflib finds alike, each pair compared once."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = ["", *(title.lower() for title in titles)]
        self._known: dict[tuple[int, int], bool] = {}

    def hits(self, lists: Lists, truths: NDArray[np.integer]) -> NDArray[np.bool_]:
        """(U, K) Whether a listed item passes for any of the true ones."""
        return np.array(
            [
                [item > 0 and any(self._same(item, truth) for truth in true) for item in listed]
                for listed, true in zip(lists.tolist(), truths.tolist(), strict=True)
            ],
            dtype=np.bool_,
        ).reshape(lists.shape)

    def _same(self, item: int, truth: int) -> bool:
        if item == truth:
            return True
        pair = (item, truth)
        if pair not in self._known:
            matcher = SequenceMatcher(None, self._titles[item], self._titles[truth])
            # The two bounds above the ratio are cheap, and most pairs fail there.
            self._known[pair] = (
                matcher.real_quick_ratio() >= SAME_TITLE
                and matcher.quick_ratio() >= SAME_TITLE
                and matcher.ratio() >= SAME_TITLE
            )
        return self._known[pair]


def _exhibit(
    scoring: str, hits: NDArray[np.bool_], jaccard: float | None, at: Sequence[int]
) -> ScoringExhibit:
    gains = hits / np.log2(2 + np.arange(hits.shape[1]))
    return ScoringExhibit(
        scoring=scoring,
        users=len(hits),
        hit_rate={k: float(hits[:, :k].any(axis=1).mean()) for k in at},
        ndcg={k: float(gains[:, :k].max(axis=1).mean()) for k in at},
        genre_jaccard=jaccard,
    )


def _jaccard(
    lists: Lists, truths: NDArray[np.integer], genres: NDArray[np.floating] | None
) -> float | None:
    """Mean over users of the first item's largest genre Jaccard with the truths."""
    if genres is None:
        return None
    first, true = genres[lists[:, 0]] > 0, genres[truths] > 0
    shared = (first[:, None] & true).sum(axis=2)
    either = np.maximum((first[:, None] | true).sum(axis=2), 1)
    return float((shared / either).max(axis=1).mean())
