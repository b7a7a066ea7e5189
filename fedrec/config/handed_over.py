"""Objects that Python hands over where a config holds a name, such as a model's class.

What a module defines is named "package.module:name" and can travel to any process. The rest, such
as a function of a notebook, gets a name that this process alone knows.
"""

import importlib.util
import sys

from fedrec.config.values.import_strings import HERE, handed_over


def named(key: str, value: object) -> str:
    """The import string of an object, or the text itself.

    Args:
        key: What it is given for, for the name of an object that has none.
        value: A name, or a class or function.
    """
    if isinstance(value, str):
        return value
    return importable_name(value) or _registered(key, value)


def importable_name(value: object) -> str:
    """``"package.module:name"`` of a class or function of a module; else empty."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return ""
    try:
        can_be_found = importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return ""
    is_it = getattr(sys.modules.get(module), name, None) is value
    return f"{module}:{name}" if can_be_found and is_it else ""


def travels(name: str) -> bool:
    """Whether another process can import what a name stands for."""
    return not name.startswith(f"{HERE}:")


def _registered(key: str, value: object) -> str:
    plain = getattr(value, "__name__", type(value).__name__)
    stem = plain if plain.isidentifier() else key.replace("-", "_").replace(".", "_")
    name, number = f"{HERE}:{stem}", 1
    while handed_over.setdefault(name, value) is not value:
        number += 1
        name = f"{HERE}:{stem}_{number}"
    return name
