"""Section ``semantics`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, one_of, require
from fedrec.config.values.choices import LONG_TEXTS, names_in


@dataclass(frozen=True, kw_only=True)
class Semantics(Section):
    """The frozen embedding table: a text encoder's embedding of every item."""

    # Frozen text encoder: minilm, hashed, a local folder, a hub name or "package.module:name".
    encoder: str = "minilm"
    revision: str = ""  # branch, tag or commit of a hub model
    # What of an item is encoded, comma-separated: title, genres, year, description, text columns.
    fields: str = "title,genres,year"
    width: int = 128  # components that are kept of an encoder's vectors
    whiten: bool = True  # centre the vectors and give every component unit variance
    # What is done with a text beyond the encoder's length: cut, or the mean over its chunks.
    long_texts: str = "cut"
    shuffled: bool = False  # control: every item gets another item's semantic embedding

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield require(bool(self.encoder), "semantics.encoder", "an encoder's name", self.encoder)
        yield require(bool(names_in(self.fields)), "semantics.fields", "a list", self.fields)
        yield count("semantics.width", self.width)
        yield one_of("semantics.long-texts", self.long_texts, LONG_TEXTS)
