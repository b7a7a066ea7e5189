"""What a config value must be, each check with the one line that a user reads."""

import difflib
import math

from fedrec.config.import_strings import DOTTED_NAME
from fedrec.errors import ConfigError


def require(holds: bool, key: str, must: str, seen: object) -> None:
    """Refuse a value unless the condition holds."""
    if not holds:
        raise ConfigError(f"{key} must be {must}, got {seen!r}")


def one_of(key: str, value: str, choices: tuple[str, ...], *, dotted: bool = False) -> None:
    """Refuse a word that is none of the choices; the nearest is named."""
    if value in choices or (dotted and DOTTED_NAME.fullmatch(value)):
        return
    near = difflib.get_close_matches(value, choices, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    more = ' or "package.module:name"' if dotted else ""
    raise ConfigError(f"{key} must be one of {', '.join(choices)}{more}, got {value!r}{hint}")


def rate(key: str, value: float, *, positive: bool = True) -> None:
    """Refuse what is no finite positive number (or 0, if that is allowed)."""
    good = math.isfinite(value) and (value > 0 if positive else value >= 0)
    require(good, key, "a finite number " + ("above 0" if positive else "of 0 or more"), value)


def count(key: str, value: int, least: int = 1) -> None:
    """Refuse a number below the least."""
    require(value >= least, key, f"a whole number of {least} or more", value)


def fraction(key: str, value: float) -> None:
    """Refuse what is not above 0 and at most 1."""
    require(0 < value <= 1, key, "above 0 and at most 1", value)


def share(key: str, value: float) -> None:
    """Refuse what is not at least 0 and below 1."""
    require(0 <= value < 1, key, "at least 0 and below 1", value)
