"""The run config: sections, flat keys, checks of values, renamed keys, user code.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.config.config import Config
    from fedrec.config.keys import config_hash, flat_tables, flatten, read_config, to_toml
    from fedrec.config.user_code import client_fingerprint, user_code_names
    from fedrec.config.values.choices import names_in
    from fedrec.config.values.import_strings import import_callable, import_string

__all__ = [
    "Config",
    "client_fingerprint",
    "config_hash",
    "flat_tables",
    "flatten",
    "import_callable",
    "import_string",
    "names_in",
    "read_config",
    "to_toml",
    "user_code_names",
]

_HOMES = {
    "Config": "fedrec.config.config",
    "client_fingerprint": "fedrec.config.user_code",
    "config_hash": "fedrec.config.keys",
    "flat_tables": "fedrec.config.keys",
    "flatten": "fedrec.config.keys",
    "import_callable": "fedrec.config.values.import_strings",
    "import_string": "fedrec.config.values.import_strings",
    "names_in": "fedrec.config.values.choices",
    "read_config": "fedrec.config.keys",
    "to_toml": "fedrec.config.keys",
    "user_code_names": "fedrec.config.user_code",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
