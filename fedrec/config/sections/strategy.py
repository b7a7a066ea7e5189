"""Section ``strategy`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, require


@dataclass(frozen=True, kw_only=True)
class Strategy(Section):
    """How updates become the next global model."""

    name: str = "fedavg"  # aggregation strategy
    options: str = ""  # its hyperparameters, as in an inline table of TOML: 'proximal-mu = 0.01'

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield require(bool(self.name), "strategy.name", "a strategy", self.name)
