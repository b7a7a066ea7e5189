"""Section ``partition`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, rate, require


@dataclass(frozen=True, kw_only=True)
class Partition(Section):
    """Which users each SuperNode holds."""

    count: int = 10  # how many partitions the users are spread over; the number of SuperNodes
    # Rule that assigns users: each, uniform, activity, taste, genre, an attribute of the users or
    # "package.module:name".
    by: str = "uniform"
    alpha: float = 0.5  # concentration of the Dirichlet distribution of by = taste; small is uneven

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield count("partition.count", self.count)
        yield rate("partition.alpha", self.alpha)
        yield require(bool(self.by), "partition.by", "a rule or an attribute of the users", self.by)
