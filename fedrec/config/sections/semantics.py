"""Section ``semantics`` of the run config."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fedrec.config.values.checks import Section, count, one_of, require
from fedrec.config.values.choices import (
    LONG_TEXTS,
    SIGNAL_CONTROLS,
    VECTOR_FORMATS,
    names_in,
    vectors_file,
)


@dataclass(frozen=True, kw_only=True)
class Semantics(Section):
    """The frozen embedding table: a text encoder's embedding of every item."""

    # Frozen text encoder: minilm, minilm-bf16, hashed, a local folder, a hub name or
    # "package.module:name".
    encoder: str = "minilm"
    revision: str = ""  # branch, tag or commit of a hub model
    # What of an item is encoded, comma-separated: title, genres, year, description, text columns,
    # signal-KIND; reviews of training events, where files of Amazon reviews have them.
    fields: str = "title,genres,year"
    width: int = 128  # components that are kept of an encoder's vectors
    whiten: bool = True  # centre the vectors and give every component unit variance
    # What is done with a text beyond the encoder's length: cut, or the mean over its chunks.
    long_texts: str = "cut"
    shuffled: bool = False  # control: every item gets another item's semantic embedding
    signals: str = ""  # file of semantic signals, as `fedrec signals` writes it
    signals_control: str = "none"  # control: what stands in the place of each signal
    # Files of your own item vectors (npy, npz, parquet), comma-separated; see model.views.
    vectors: str = ""

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield require(bool(self.encoder), "semantics.encoder", "an encoder's name", self.encoder)
        yield require(bool(names_in(self.fields)), "semantics.fields", "a list", self.fields)
        yield count("semantics.width", self.width)
        yield one_of("semantics.long-texts", self.long_texts, LONG_TEXTS)
        yield one_of("semantics.signals-control", self.signals_control, SIGNAL_CONTROLS)
        is_read = self.signals or self.signals_control == "none"
        yield require(
            bool(is_read),
            "semantics.signals-control",
            "'none' without semantics.signals",
            self.signals_control,
        )
        yield from self._vectors_problems()

    @property
    def vector_files(self) -> dict[str, str]:
        """Name of a view's file, without folder and ending -> its path."""
        return {Path(path).stem: path for path in names_in(self.vectors)}

    def _vectors_problems(self) -> Iterator[str]:
        if self.vectors and not names_in(self.vectors):
            yield f"semantics.vectors must name files, got {self.vectors!r}"
        stems = Counter(Path(path).stem for path in names_in(self.vectors))
        for path in names_in(self.vectors):
            stem, ending = Path(path).stem, Path(path).suffix.lower()
            if ending not in VECTOR_FORMATS:
                yield (
                    "semantics.vectors must name files that end in "
                    f"{', '.join(VECTOR_FORMATS)}, got {path!r}"
                )
            elif not vectors_file(f"vectors-{stem}"):
                yield (
                    "semantics.vectors must name files by letters, digits, - and _ (the view is "
                    f"called vectors-NAME), got {stem!r}"
                )
            elif stems[stem] > 1:
                yield f"semantics.vectors must name each file once, got {stem!r} again"
