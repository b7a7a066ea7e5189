"""Import strings such as ``"package.module:name"``, by which a user brings code of their own."""

import importlib
import re
from collections.abc import Callable
from typing import Any

from fedrec.errors import ConfigError, FedrecError

IMPORT_STRING = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

HERE = "__here__"  # module in the names of objects that no module holds
handed_over: dict[str, Any] = {}  # such a name -> its object; see ``fedrec.config.handed_over``


def import_string(key: str, name: str) -> Any:
    """Import what ``"package.module:name"`` names.

    Args:
        key: Config key that holds the import string, for the message.
        name: Import string as the user wrote it.

    Raises:
        ConfigError: No such module, nothing of that name in it, or a module that fails.
    """
    if name in handed_over:
        return handed_over[name]
    module, _, attribute = name.partition(":")
    if module == HERE:
        raise ConfigError(
            f"{key} {name!r} was an object of the Python process that made this config; define it "
            'in a module and name that, "package.module:name"'
        )
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{key} {name!r} cannot be imported: {error}") from error
    except FedrecError:
        raise
    except Exception as error:  # the module's own code
        raise ConfigError(
            f"{key} {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def import_callable(key: str, name: str) -> Callable[..., Any]:
    """Import a function or another callable by its import string.

    Args:
        key: Config key that holds the import string, for the message.
        name: Import string as the user wrote it.

    Raises:
        ConfigError: It cannot be imported, or it is no callable.
    """
    found = import_string(key, name)
    if not callable(found):
        raise ConfigError(f"{key} {name!r} must name a callable, got {type(found).__name__}")
    return found  # type: ignore[no-any-return]  # any callable of the user's
