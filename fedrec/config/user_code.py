"""User code that a config names as ``"package.module:name"``, as sha256 of its files.

It decides what is computed as much as ours does: a run is not resumed under another, and clients
refuse a server that has another.
"""

import hashlib
import importlib.util
import inspect
from functools import lru_cache
from pathlib import Path

from fedrec.config.config import Config
from fedrec.config.values.choices import names_in, sources_in
from fedrec.config.values.import_strings import HERE, IMPORT_STRING, handed_over


def user_code_names(config: Config) -> tuple[str, ...]:
    """Import strings of a config; the clients' part first, then what the server alone imports."""
    return (
        *_client_names(config),
        *_imported(*config.evaluation.user_metrics, config.strategy.name),
    )


def user_code(config: Config) -> dict[str, str]:
    """File -> sha256 of all modules that the config names, the server's part included."""
    return _digests(user_code_names(config))


def client_code(config: Config) -> dict[str, str]:
    """File -> sha256 of the modules that clients import: data, partition rule, encoder, model."""
    return _digests(_client_names(config))


def client_fingerprint(config: Config) -> str:
    """The clients' part of the user code as one hash for a message; empty where there is none."""
    listed = "".join(f"{name} {digest}\n" for name, digest in sorted(client_code(config).items()))
    return hashlib.sha256(listed.encode()).hexdigest() if listed else ""


def _client_names(config: Config) -> tuple[str, ...]:
    model = config.model
    return _imported(
        *sources_in(config.data.source),
        config.partition.by,
        config.semantics.encoder,
        model.name,
        *names_in(model.views),
        config.loss.name,
    )


def _imported(*values: str) -> tuple[str, ...]:
    return tuple(value for value in values if IMPORT_STRING.fullmatch(value))


def _digests(names: tuple[str, ...]) -> dict[str, str]:
    return {file: digest for name in names for file, digest in _files(name).items()}


def _source(name: str) -> dict[str, str]:
    """An object that no module holds, by its source where Python knows that."""
    found = handed_over.get(name)
    kind = found if inspect.isroutine(found) or isinstance(found, type) else type(found)
    try:
        return {name: hashlib.sha256(inspect.getsource(kind).encode()).hexdigest()}
    except (OSError, TypeError):  # typed at a prompt, or whoever needs it says that it is gone
        return {}


@lru_cache(maxsize=16)
def _files(name: str) -> dict[str, str]:
    """Files of a module and of the package around it, read once: as they are when it is imported.

    What a module imports from elsewhere is not followed.
    """
    module = name.partition(":")[0]
    if module == HERE:
        return _source(name)
    top = module.partition(".")[0]
    try:
        found = importlib.util.find_spec(module)
        package = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return {}  # whoever needs it says so
    folders = list(package.submodule_search_locations or []) if package else []
    if not folders:
        files = {Path(found.origin).name: Path(found.origin)} if found and found.origin else {}
    else:
        # A namespace package lies in several folders; as in an import, the first of them counts.
        files = {
            f"{top}/{path.relative_to(folder).as_posix()}": path
            for folder in reversed(folders)
            for path in sorted(Path(folder).rglob("*.py"))
        }
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if path.suffix == ".py"
    }
