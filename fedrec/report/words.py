"""Values of a run as the words of its page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Rows = list[tuple[str, str]]


def flat(section: Mapping[str, Any], prefix: str = "") -> Rows:
    """Name and text of every value of nested mappings, names joined by dots."""
    rows: Rows = []
    for key, value in section.items():
        nested = isinstance(value, dict)
        rows += flat(value, f"{prefix}{key}.") if nested else [(f"{prefix}{key}", words(value))]
    return rows


def words(value: Any) -> str:
    """A value as text: lists with commas, truth values as TOML writes them."""
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(map(str, value))
    return str(value)


def moment(text: Any) -> str:
    """An ISO time as date and minute; nothing for what is no time."""
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return ""


def seconds_between(start: Any, end: Any) -> float | None:
    """Seconds from one ISO time to another; none where one of them is no time."""
    try:
        return (
            datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(start))
        ).total_seconds()
    except (ValueError, TypeError):
        return None


def duration(seconds: float) -> str:
    """Seconds as hours and minutes, minutes and seconds, or seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def thousands(value: Any) -> Any:
    """A whole number with commas; any other value as it is."""
    return f"{value:,}" if isinstance(value, int) else value
