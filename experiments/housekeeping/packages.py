"""Installed packages against what fedrec asks for, and which of its extras are there."""

import importlib.metadata
from collections.abc import Callable, Iterable

from packaging.requirements import Requirement

SHOWN = ("flwr", "ray", "torch", "numpy", "pandas", "sentence-transformers", "matplotlib")
NOT_FOR_USERS = ("dev", "docs")

Version = Callable[[str], str | None]


def version_of(name: str) -> str | None:
    """Version of an installed package; None where it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def requirements() -> list[Requirement]:
    """What the installed fedrec asks for; nothing where it runs without being installed."""
    try:
        return [Requirement(line) for line in importlib.metadata.requires("fedrec") or ()]
    except importlib.metadata.PackageNotFoundError:
        return []


def misfits(asked: Iterable[Requirement], version: Version = version_of) -> list[str]:
    """A line for each package that is missing or has a version that is not supported."""
    found = []
    for one in asked:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        seen = version(one.name)
        if seen is None:
            found.append(f"{one.name} is not installed: pip install '{one.name}{one.specifier}'")
        elif not one.specifier.contains(seen, prereleases=True):
            found.append(
                f"{one.name} {seen} is not supported: pip install '{one.name}{one.specifier}'"
            )
    return found


def extras(asked: Iterable[Requirement], version: Version = version_of) -> dict[str, list[str]]:
    """Extra -> what is missing of it, as pip takes it; an empty list where it is there."""
    found: dict[str, list[str]] = {}
    for one in asked:
        for name in _extras_of(one):
            missing = found.setdefault(name, [])
            if version(one.name) is None:
                missing.append(f"'{one.name}{one.specifier}'")
    return {name: found[name] for name in sorted(found) if name not in NOT_FOR_USERS}


def _extras_of(one: Requirement) -> list[str]:
    """The extras that a requirement belongs to; none for one that is always asked for."""
    if one.marker is None or one.marker.evaluate({"extra": ""}):
        return []
    names = importlib.metadata.metadata("fedrec").get_all("Provides-Extra") or []
    return [name for name in names if one.marker.evaluate({"extra": name})]
