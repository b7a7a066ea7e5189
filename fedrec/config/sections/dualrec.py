"""Section ``dualrec`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, one_of, require
from fedrec.config.values.choices import DUALREC_ANSWERS


@dataclass(frozen=True, kw_only=True)
class Dualrec(Section):
    """DUALRec's later stages, which follow the training of a run."""

    # Language model that reads history and prediction: smollm2, a folder, or an address. Empty:
    # there are no later stages.
    language_model: str = ""
    model_name: str = ""  # name of the model at an address
    adapters: str = ""  # folder of a run with model.name = "lora", whose adapters are merged in
    # How it answers: the order of stage 1's list, titles of the catalogue alone, or free text.
    answers: str = "order"
    users: int = 200  # test users whom it answers for, a seeded sample
    candidates: int = 10  # length of stage 1's list
    recent: int = 3  # newest items of a history that the prompt shows

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield one_of("dualrec.answers", self.answers, DUALREC_ANSWERS)
        for name in ("users", "candidates", "recent"):
            yield count(f"dualrec.{name}", getattr(self, name))
        yield require(self.candidates <= 50, "dualrec.candidates", "50 at most", self.candidates)
        is_address = self.language_model.startswith(("http://", "https://"))
        if is_address and self.answers == "titles":
            yield (
                "dualrec.answers must be 'order' or 'free' for a model at an address (whose tokens "
                "nobody here can restrict), got 'titles'"
            )
        if self.adapters and (is_address or not self.language_model):
            yield (
                "dualrec.adapters needs a language model of this process in "
                f"dualrec.language-model, got {self.language_model!r}"
            )
