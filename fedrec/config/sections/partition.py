"""Section ``partition`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, rate, require


@dataclass(frozen=True, kw_only=True)
class Partition(Section):
    """Which users each SuperNode holds."""

    count: int = 10  # how many partitions the users are spread over; the number of SuperNodes
    # Rule that assigns users: each, uniform, activity, taste, taste-semantic, taste-co-occurrence,
    # genre, an attribute of the users or "package.module:name".
    by: str = "uniform"
    # Concentration of the Dirichlet distribution of the rules taste*; small is uneven.
    alpha: float = 0.5
    # Number of item clusters that stand for tastes, of taste-semantic and taste-co-occurrence.
    clusters: int = 10

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield count("partition.count", self.count)
        yield rate("partition.alpha", self.alpha)
        yield count("partition.clusters", self.clusters, 2)
        yield require(bool(self.by), "partition.by", "a rule or an attribute of the users", self.by)
