"""A user's own code that a config names as ``"package.module:name"``, as sha256 of its files.

It decides what is computed as much as ours does: a run is not resumed under another, and clients
refuse a server that has another.
"""

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

from fedrec.config.config import Config
from fedrec.config.import_strings import DOTTED_NAME


def own_names(config: Config) -> tuple[str, ...]:
    """What the config names of the user's own; the clients' part first, the strategy last."""
    names = (
        config.data.source,
        config.semantics.encoder,
        config.model.name,
        config.loss.name,
        config.strategy.name,
    )
    return tuple(name for name in names if DOTTED_NAME.fullmatch(name))


def own_code(config: Config) -> dict[str, str]:
    """File -> sha256 of all modules that the config names, the server's strategy included."""
    return {file: digest for name in own_names(config) for file, digest in _files(name).items()}


def client_code(config: Config) -> dict[str, str]:
    """The same of those that clients import: data, encoder, model and loss."""
    names = [name for name in own_names(config) if name != config.strategy.name]
    return {file: digest for name in names for file, digest in _files(name).items()}


def client_fingerprint(config: Config) -> str:
    """What names the clients' part of it in a message; empty where there is none."""
    listed = "".join(f"{name} {digest}\n" for name, digest in sorted(client_code(config).items()))
    return hashlib.sha256(listed.encode()).hexdigest() if listed else ""


@lru_cache(maxsize=16)
def _files(name: str) -> dict[str, str]:
    """Files of a module and of the package around it, read once: as they are when it is imported.

    What a module imports from elsewhere is not followed.
    """
    module = name.partition(":")[0]
    top = module.partition(".")[0]
    try:
        found = importlib.util.find_spec(module)
        package = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return {}  # whoever needs it says so
    folders = list(package.submodule_search_locations or []) if package else []
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    if not folders and found and found.origin:
        files = [Path(found.origin)]
    return {
        f"{top}/{path.relative_to(folders[0]).as_posix()}"
        if folders
        else path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.suffix == ".py"
    }
