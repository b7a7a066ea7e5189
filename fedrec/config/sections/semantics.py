"""Section ``semantics`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.checks import Section, count, require
from fedrec.config.choices import names_in


@dataclass(frozen=True, kw_only=True)
class Semantics(Section):
    """The frozen embedding table: a text encoder's embedding of every item."""

    encoder: str = "minilm"
    revision: str = ""
    fields: str = "title,genres,year"
    width: int = 128
    whiten: bool = True
    shuffled: bool = False  # control: every item gets another item's embedding

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield require(bool(self.encoder), "semantics.encoder", "an encoder's name", self.encoder)
        yield require(bool(names_in(self.fields)), "semantics.fields", "a list", self.fields)
        yield count("semantics.width", self.width)
