"""Names such as ``"package.module:name"``, by which a user brings code of their own."""

import importlib
import re
from typing import Any

from fedrec.errors import ConfigError

DOTTED_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def import_dotted(key: str, name: str) -> Any:
    """What ``"package.module:name"`` names.

    Args:
        key: of the config that holds the name, for the message.
        name: as the user wrote it.

    Raises:
        ConfigError: no such module, or nothing of that name in it.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{key} {name!r} cannot be imported: {error}") from error
