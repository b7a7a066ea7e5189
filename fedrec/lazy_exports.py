"""Public names of a package that are imported when they are first used.

Importing a package thus stays fast, and no circle of imports can come from its ``__init__``.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping


def lazy_exports(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose names live in its modules.

    Args:
        package: Name of the package.
        homes: Public name -> module that defines it.
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    def names() -> list[str]:
        module = vars(sys.modules[package])
        dunders = {name for name in module if name.startswith("__")}
        packages = {found.name for found in pkgutil.iter_modules(module["__path__"]) if found.ispkg}
        return sorted({*homes, *packages, *dunders})

    return find, names
