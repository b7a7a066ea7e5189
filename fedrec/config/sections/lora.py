"""Section ``lora`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, one_of, rate, require, share
from fedrec.config.values.choices import LORA_AGGREGATIONS, names_in


@dataclass(frozen=True, kw_only=True)
class Lora(Section):
    """Adapters of a language model that names the next item (model.name = "lora")."""

    # Language model under the adapters: smollm2, or the folder of a causal transformers model.
    base: str = "smollm2"
    rank: int = 8  # r: rows of A, columns of B
    alpha: float = 16.0  # an adapter's product is scaled by alpha / r
    dropout: float = 0.1  # dropout rate in front of an adapter
    modules: str = "q_proj,v_proj"  # linear layers that get an adapter, comma-separated
    aggregation: str = "ffa"  # which of A and B are trained, what travels, how it is aggregated
    recent: int = 5  # newest items of a history that the prompt shows

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield require(bool(self.base), "lora.base", "a language model", self.base)
        yield count("lora.rank", self.rank)
        yield rate("lora.alpha", self.alpha)
        yield share("lora.dropout", self.dropout)
        yield require(bool(names_in(self.modules)), "lora.modules", "a list", self.modules)
        yield one_of("lora.aggregation", self.aggregation, LORA_AGGREGATIONS)
        yield count("lora.recent", self.recent)
