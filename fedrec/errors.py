"""Every error that fedrec raises on purpose, each with the exit code of the command line.

FedrecError                 1  (a bug of ours, when nothing below fits)
├── ConfigError             2  a key, an option or a combination of them
├── ParticipationError      3  too few clients responded in a round
├── DataError               4  a data file, an archive, an interaction
├── ResourceError           5  disk, memory, device, engine, network, a missing extra
├── TrainingError           1  local training that diverged
├── EvaluationError         1  scores that cannot be ranked (NaN, wrong shape)
└── MessageError            1  a message between client and server that breaks the protocol
"""

from collections.abc import Mapping
from typing import Any

LONGEST = 1000  # characters of a line, whatever value it quotes


def _short(line: object) -> object:
    """A line as a person can read it: of a very long one its beginning and its end."""
    if not isinstance(line, str) or len(line) <= LONGEST:
        return line
    return f"{line[:600]} [... {len(line):,} characters ...] {line[-300:]}"


class FedrecError(Exception):
    """Base of all errors that fedrec raises on purpose.

    Args:
        lines: What is told; a very long line is shortened in its middle.

    Attributes:
        exit_code: Exit code of the command line.
        excluded: Attempt or evaluation that failed -> its excluded clients, for run.json.
    """

    exit_code = 1
    excluded: Mapping[str, list[dict[str, Any]]] = {}

    def __init__(self, *lines: object) -> None:
        super().__init__(*map(_short, lines))


class ConfigError(FedrecError):
    """A key or an option is unknown, of the wrong type, out of range or contradicts another.

    Args:
        problems: One line each; the text of the error is that line, or a list of several.

    Attributes:
        problems: The lines.
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(str(_short(problem)) for problem in problems)
        listed = [f"{len(problems)} problems:", *(f"- {problem}" for problem in self.problems)]
        Exception.__init__(self, "\n".join(listed) if len(problems) > 1 else "".join(self.problems))


class ParticipationError(FedrecError):
    """Fewer clients responded than the run asks for."""

    exit_code = 3


class DataError(FedrecError):
    """A data file, an archive or a table cannot be used as it is."""

    exit_code = 4


class ResourceError(FedrecError):
    """The machine lacks something: disk, memory, a device, an engine, a package, a network."""

    exit_code = 5


class TrainingError(FedrecError):
    """Local training diverged: its loss or what it leaves behind is NaN or infinite."""


class EvaluationError(FedrecError):
    """Scores that cannot be ranked: NaN, or of another shape than the catalogue."""


class MessageError(FedrecError):
    """A message between client and server breaks the protocol."""
