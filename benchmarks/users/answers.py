"""How a system talks to the benchmark: a line of JSON for each turn, nothing else on that pipe."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any


class Answers:
    """Takes standard output for itself; whatever else is printed goes to standard error."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, **facts: Any) -> None:
        """One line."""
        print(json.dumps(facts), file=self._file, flush=True)


def turns() -> Iterator[int]:
    """Numbers of the turns, until standard input ends."""
    for line in sys.stdin:
        yield int(line)
