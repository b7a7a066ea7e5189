"""Checks of config values; each gives the one line that a user reads, or "" for a good value."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fedrec.config.values.import_strings import IMPORT_STRING
from fedrec.errors import ConfigError

_KEY = re.compile(r"(?<![\w.-])(?:[a-z]+\.[a-z][\w-]*|seed|device)(?![\w.:-])")

MOST_PASSES = 10**6  # of what is done so often: no run with more would come to its end
UNKNOWN = "unknown key"  # begins the problem of a key that there is not


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the run config that refuses wrong values when it is made.

    Raises:
        ConfigError: All problems of the section, one line each.
    """

    def __post_init__(self) -> None:
        refuse(self.problems())

    def problems(self) -> Iterator[str]:
        """Check every key; one line for each problem, "" where a check passes.

        Later checks also run where earlier ones failed, so that all problems are told at once.
        """
        yield from ()


def refuse(problems: Iterable[str]) -> None:
    """Raise one error for all problems, if there are any.

    A problem that mentions a key that an earlier one refuses is left out: it may only follow from
    that value. Every problem begins with its own key and names the others that it depends on.

    Args:
        problems: One line each; "" is no problem.

    Raises:
        ConfigError: A value is refused; several problems are listed together.
    """
    found, refused = [], set[str]()
    for problem in filter(None, problems):
        if problem.startswith(UNKNOWN):  # names no key of another problem, but perhaps a hint
            found.append(problem)
            continue
        own, *others = _KEY.findall(problem) or [""]
        if refused.isdisjoint(set(others) - {own}):
            found.append(problem)
            refused.add(own)
    if found:
        raise ConfigError(*found)


def require(holds: bool, key: str, must: str, seen: object) -> str:
    """Refuse a value unless the condition holds."""
    return "" if holds else f"{key} must be {must}, got {seen!r}"


def one_of(key: str, value: str, choices: tuple[str, ...], *, or_code: bool = False) -> str:
    """Refuse a word that is none of the choices; the nearest is named.

    Args:
        key: Config key, for the message.
        value: Value of the key.
        choices: Closed list of words.
        or_code: Whether an import string "package.module:name" is taken as well.
    """
    if value in choices or (or_code and IMPORT_STRING.fullmatch(value)):
        return ""
    near = difflib.get_close_matches(value, choices, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    more = ' or "package.module:name"' if or_code else ""
    return f"{key} must be one of {', '.join(choices)}{more}, got {value!r}{hint}"


def rate(key: str, value: float, *, positive: bool = True) -> str:
    """Refuse what is no finite positive number (or 0, if that is allowed)."""
    good = math.isfinite(value) and (value > 0 if positive else value >= 0)
    return require(
        good, key, "a finite number " + ("above 0" if positive else "of 0 or more"), value
    )


def count(key: str, value: int, least: int = 1, *, most: int | None = None) -> str:
    """Refuse a number below the least, or above the most if there is one."""
    if most is not None and value > most:
        return require(False, key, f"a whole number of {most} or less", value)
    return require(value >= least, key, f"a whole number of {least} or more", value)


def fraction(key: str, value: float) -> str:
    """Refuse what is not above 0 and at most 1."""
    return require(0 < value <= 1, key, "above 0 and at most 1", value)


def share(key: str, value: float) -> str:
    """Refuse what is not at least 0 and below 1."""
    return require(0 <= value < 1, key, "at least 0 and below 1", value)
