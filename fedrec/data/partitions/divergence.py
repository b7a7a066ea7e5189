"""How far the tastes of partitions lie apart, in words, beside named examples."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedrec.data.genre_profiles import dominant_genres, genre_profiles, taste_divergence
from fedrec.data.partitions.rules import PartitionFacts, by_shares, clusters_of, uniform

_BY_CLUSTERS = ("taste-semantic", "taste-co-occurrence")
_ALPHAS = {"mild": 1.0, "strong": 0.1}


class Divergence(NamedTuple):
    """The divergence of a partition and of examples with as many partitions.

    Attributes:
        of: What tastes are measured by: "genres" or "item clusters".
        bits: Mean Jensen-Shannon divergence of a partition's tastes to all.
        examples: Name of an example -> its divergence, from even to uneven.
    """

    of: str
    bits: float
    examples: dict[str, float]

    @property
    def words(self) -> str:
        """The divergence in one word or two."""
        even, mild, strong = self.examples.values()
        if self.bits <= 1.5 * even:
            return "as even as users dealt out at random"
        if self.bits < mild:
            return "between random and mild"
        return "between mild and strong" if self.bits < strong else "beyond strong"


def divergence_of(assignment: NDArray[np.int32], by: str, facts: PartitionFacts) -> Divergence:
    """Measure a partition by genres, or by item clusters where the rule or the data want that.

    The examples are computed on the same users: random (IID), and Dirichlet shares of the dominant
    tastes with alpha 1 (mild) and 0.1 (strong).

    Args:
        assignment: (U,) Partition numbers.
        by: ``partition.by``.
        facts: What the rule looked at.
    """
    genres = facts.genres
    is_by_genres = genres is not None and genres.shape[1] > 0 and by not in _BY_CLUSTERS
    rule = by if by in _BY_CLUSTERS else "taste-co-occurrence"
    tastes = genres if genres is not None and is_by_genres else clusters_of(rule, facts)
    profiles = genre_profiles(facts.sequences, tastes)
    count = int(assignment.max()) + 1
    dominant = dominant_genres(profiles)
    examples = {"random (IID)": uniform(facts, count)} | {
        f"{name} (Dirichlet, alpha = {alpha:g})": by_shares(
            dominant, alpha, count, facts.seed, "example"
        )
        for name, alpha in _ALPHAS.items()
    }
    return Divergence(
        "genres" if is_by_genres else "item clusters",
        taste_divergence(assignment, profiles),
        {name: taste_divergence(example, profiles) for name, example in examples.items()},
    )
