"""Genre profiles of users, the divergence of partitions by them, genres that items share."""

import numpy as np
from numpy.typing import NDArray

from fedrec.data.sequences import Sequences


def genre_profiles(sequences: Sequences, genres: NDArray[np.floating]) -> NDArray[np.float64]:
    """Events of each user by genre.

    Args:
        sequences: Sequences of U users, usually their training part.
        genres: (V+1, G) Multi-hot genres.

    Returns:
        (U, G): every event adds 1, in equal parts to the genres of its item. (Counting 1 for
        each genre would let items of many genres speak louder.)
    """
    weights = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)
    user_of_event = np.repeat(np.arange(sequences.num_users), sequences.lengths())
    columns = [
        np.bincount(user_of_event, weights=column[sequences.items], minlength=sequences.num_users)
        for column in np.ascontiguousarray(weights.T)
    ]
    return np.stack(columns, axis=1)


def dominant_genres(profiles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Most frequent genre of each user, (U,) from (U, G); the first of equals."""
    dominant: NDArray[np.int64] = profiles.argmax(axis=1)
    return dominant


def taste_divergence(assignment: NDArray[np.int32], profiles: NDArray[np.float64]) -> float:
    """Mean Jensen-Shannon divergence of the partitions' genres to the global ones, in bits.

    Args:
        assignment: (U,) Partition numbers.
        profiles: (U, G) Profiles, as `genre_profiles` gives them.

    Returns:
        Mean over partitions, each counted once, of the Jensen-Shannon divergence (base 2,
        0 to 1) between the partition's share of genres and the global one.
    """
    count = int(assignment.max()) + 1
    held = np.stack(
        [np.bincount(assignment, weights=column, minlength=count) for column in profiles.T], axis=1
    )
    held = held[held.sum(axis=1) > 0]  # a partition without any genre has no profile
    if not len(held):
        return 0.0
    local = held / held.sum(axis=1, keepdims=True)
    overall = held.sum(axis=0) / held.sum()
    middle = (local + overall) / 2
    return float(((_bits(local, middle) + _bits(overall, middle)) / 2).mean())


def _bits(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kullback-Leibler divergence of each row, with 0 log 0 = 0."""
    p = np.broadcast_to(p, q.shape)
    ratio = np.divide(p, q, out=np.ones_like(q), where=p > 0)
    bits: NDArray[np.float64] = (p * np.log2(ratio)).sum(axis=1)
    return bits


def genre_jaccard(
    scores: NDArray[np.floating],
    items: NDArray[np.integer],
    targets: NDArray[np.integer],
    excluded: NDArray[np.bool_],
    genres: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Genres in common with the target: of the first candidate, and the mean of all (B, 2).

    The Jaccard index |A and B| / |A or B|, as DUALRec reports it, but with the one next item: the
    published code takes the largest over the last five. It is high for any ranking where most
    items share a genre, so that the mean over all candidates stands beside it: what a ranking in
    random order has on average.

    Args:
        scores: (B, K) Scores of the candidates.
        items: (B, K) or (K,) Their numbers.
        targets: (B,) Items of 1..V.
        excluded: (B, K) True for what is no candidate; a target always is one.
        genres: (V + 1, G) Multi-hot genres.

    Returns:
        Of equally good candidates, the one with the lowest number is first. NaN where the target
        has no genre, or nothing is ranked.
    """
    numbers = np.broadcast_to(items, scores.shape)
    allowed = (~excluded | (numbers == targets[:, None])) & (numbers > 0)
    found = np.full((len(scores), 2), np.nan)
    for row in np.flatnonzero(genres[targets].any(axis=1)):
        own = numbers[row][allowed[row]]
        if not len(own):  # too few items to draw candidates from
            continue
        common = _jaccard(genres[own], genres[targets[row]])
        values = scores[row][allowed[row]]
        best = np.flatnonzero(values == values.max())
        found[row] = common[best[own[best].argmin()]], common.mean()
    return found


def _jaccard(genres: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """Jaccard index (n,) of rows (n, G) with one (G,) that has a genre."""
    both = (genres * wanted).sum(axis=1, dtype=np.float64)
    either = genres.sum(axis=1, dtype=np.float64) + wanted.sum(dtype=np.float64) - both
    return np.asarray(both / either)
