"""Section ``partition`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.checks import Section, count, rate, require


@dataclass(frozen=True, kw_only=True)
class Partition(Section):
    """Which users each SuperNode holds."""

    count: int = 10
    by: str = "uniform"  # a rule, an attribute of the users or "package.module:name"
    alpha: float = 0.5  # of the Dirichlet of by = "taste"

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield count("partition.count", self.count)
        yield rate("partition.alpha", self.alpha)
        yield require(bool(self.by), "partition.by", "a rule or an attribute of the users", self.by)
