"""Records of a reply: those that are expected and no others, and none beyond its size."""

from collections.abc import Collection, Mapping

from flwr.app import RecordDict

LARGEST = 64 * 1024  # bytes of a reply's metadata and metrics, a few numbers and hashes


def unexpected_records(content: RecordDict, expected: Collection[str], more: int = 0) -> str:
    """Find missing, further and too large records: the reason to reject a reply, or nothing.

    Arrays are compared with the shapes that they must have; nothing else bounds these.

    Args:
        content: Content of a reply.
        expected: Names of all its records.
        more: Bytes that its metadata may hold beyond ``LARGEST``.
    """
    if set(content) != set(expected):
        names = sorted(set(content) ^ set(expected))
        return f"its records {_short(names)} are on one side only"
    records: dict[str, Mapping[str, object]] = {**content.config_records, **content.metric_records}
    for name, record in records.items():
        size = sum(len(key) + _size(value) for key, value in record.items())
        if size > LARGEST + more:
            return f"its record {name!r} holds {size} bytes, more than {LARGEST + more}"
    return ""


def _size(value: object) -> int:
    """Bytes of a value, or of all values of a list; a number counts 8."""
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    return len(value) if isinstance(value, str | bytes) else 8


def _short(names: Collection[str]) -> str:
    """At most three of some names, none of them long."""
    shown = ", ".join(repr(name[:40]) for name in list(names)[:3])
    return f"[{shown}]" if len(names) <= 3 else f"[{shown}, and {len(names) - 3} more]"
