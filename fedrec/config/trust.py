"""Trust in a run folder: code that its config names is imported only where the user says so.

A config may name a module of its author's. Whoever runs the config runs that module with their own
rights, and a run folder is something that people send each other.
"""

from pathlib import Path

from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.config.user_code import user_code_names
from fedrec.config.values.import_strings import handed_over
from fedrec.errors import ConfigError


def check_trust(config: Config, folder: Path, *, trust: bool, how: str = "--trust") -> None:
    """Refuse a run folder's config that names code, unless the user trusts the folder.

    Objects that this very process has handed over are no code of the folder's.

    Args:
        config: Config of the folder.
        folder: Folder of the run.
        trust: Whether the user has said that the folder is trusted.
        how: What says so: an option of a command, or a keyword of a function.

    Raises:
        ConfigError: It names code; the message lists the keys.
    """
    named = [name for name in user_code_names(config) if name not in handed_over]
    if trust or not named:
        return
    keys = [
        f"{key} = {value!r}"
        for key, value in flatten(config).items()
        if isinstance(value, str) and any(name in value for name in named)
    ]
    raise ConfigError(
        f"{folder / 'config.toml'} names code that would run with your rights: "
        f"{', '.join(keys)}; add {how} if you trust whoever made the folder"
    )
