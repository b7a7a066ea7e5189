"""Which lines are mutated, and how: drawn by a seed, and not moved by changes elsewhere."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutation.mutants import Mutant, mutants_of

PACKAGES = ("fedrec", "clients", "server", "experiments")


@dataclass(frozen=True)
class Drawn:
    """A mutant of a file.

    Attributes:
        path: File, relative to the root.
        code: Line that the mutant changes, without the spaces around it.
        mutant: What is changed.
    """

    path: str
    code: str
    mutant: Mutant

    @property
    def key(self) -> str:
        """What names the mutant where line numbers move."""
        mutant = self.mutant
        return f"{self.path}: {self.code} # {mutant.kind}: {mutant.before} -> {mutant.after}"


def draw(root: Path, lines: int, seed: int) -> list[Drawn]:
    """Draw lines that have a mutant at all, and one mutant of each, every one equally likely.

    The lines are those whose hashes are smallest, so that a change of one file neither adds nor
    removes a line of another.

    Args:
        root: Folder of the packages.
        lines: Number of lines to draw.
        seed: Seed of the draw.
    """
    candidates: list[tuple[str, list[Drawn]]] = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            candidates += _lines_of(path.relative_to(root).as_posix(), path.read_text(), seed)
    chosen = sorted(candidates, key=lambda line: line[0])[:lines]
    return [min(mutants, key=lambda one: _hash(seed, one.key)) for _, mutants in chosen]


def _lines_of(path: str, source: str, seed: int) -> list[tuple[str, list[Drawn]]]:
    """Hash and mutants of every line of a file that has any."""
    texts = [text.strip() for text in source.splitlines()]
    by_line: dict[int, list[Drawn]] = {}
    for mutant in mutants_of(source):
        drawn = Drawn(path, texts[mutant.line - 1], mutant)
        by_line.setdefault(mutant.line, []).append(drawn)
    times: dict[str, int] = {}  # equal lines of a file are told apart by which of them they are
    found = []
    for line in sorted(by_line):
        code = texts[line - 1]
        times[code] = times.get(code, 0) + 1
        found.append((_hash(seed, path, code, times[code]), by_line[line]))
    return found


def _hash(seed: int, *parts: object) -> str:
    return hashlib.sha256(repr((seed, *parts)).encode()).hexdigest()
