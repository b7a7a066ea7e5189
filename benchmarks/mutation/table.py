"""What became of the mutants, as a Markdown table."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutation.draw import Drawn

KILLED, SURVIVED, EQUIVALENT = "killed", "survived", "equivalent"


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        drawn: The mutant.
        test: First test that failed, "" if it survived.
        reason: Why no test can tell it from the code, "" if one could.
    """

    drawn: Drawn
    test: str
    reason: str

    @property
    def word(self) -> str:
        """Killed, survived or equivalent; a test that fails outweighs a reason."""
        if self.test:
            return KILLED
        return EQUIVALENT if self.reason else SURVIVED


def read_equivalents(path: Path) -> dict[str, str]:
    """Mutant -> why it is equivalent, of a TOML file of ``[[mutant]]`` tables."""
    tables = tomllib.loads(path.read_text()).get("mutant", [])
    return {table["key"]: table["reason"] for table in tables}


def markdown(outcomes: Sequence[Outcome]) -> str:
    """One row a mutant, in the order of the files, and the share that was killed."""
    rows = ["| file | line | kind | change | outcome |", "|---|---|---|---|---|"]
    for one in sorted(outcomes, key=lambda one: (one.drawn.path, one.drawn.mutant.line)):
        mutant = one.drawn.mutant
        change = f"{_code(mutant.before)} to {_code(mutant.after)}"
        said = one.reason if one.word == EQUIVALENT else f"`{one.test}`" if one.test else ""
        end = f"{one.word}: {said}" if said else one.word
        rows.append(f"| {one.drawn.path} | {mutant.line} | {mutant.kind} | {change} | {end} |")
    return "\n".join([*rows, "", summary(outcomes)])


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many of the mutants that a test could see were killed."""
    words = [one.word for one in outcomes]
    killed, equivalent = words.count(KILLED), words.count(EQUIVALENT)
    visible = len(words) - equivalent
    share = f" ({killed / visible:.0%})" if visible else ""
    return (
        f"{killed} of {visible} mutants killed{share}; "
        f"{equivalent} more of {len(words)} drawn are equivalent."
    )


def _code(text: str, longest: int = 60) -> str:
    """One line of code for a cell of a table."""
    line = " ".join(text.split()).replace("|", "\\|")
    return f"`{line if len(line) <= longest else line[:longest] + ' ...'}`"
