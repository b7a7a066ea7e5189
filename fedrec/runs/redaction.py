"""Keep secrets out of what a run shows: config values, commands, messages."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "(hidden)"
SECRET_ENDINGS = ("token", "key", "password", "secret")

_ENDINGS = "|".join(SECRET_ENDINGS)
_TEXT = r"""\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:[^"\\]|\\.)*"|'[^']*'"""
_VALUE = rf"""({_TEXT}|\[[^\]]*\]|\{{[^}}]*\}}|[^\s,;'"]+)"""
# `llm.api-key=value`, and "api-key": "value" as JSON writes it; a message's "unknown key: x" stays.
_NAMED = rf"""[\w.-]*(?:{_ENDINGS})"""
_ASSIGNED = re.compile(rf"""({_NAMED}(?:["']?\s*=|["']\s*:)\s*){_VALUE}""", re.I | re.S)
_OPTION = re.compile(rf"""((?<![\w.-])--?{_NAMED}\s+){_VALUE}""", re.I | re.S)
_ADDRESS = re.compile(r"://[^/@\s]+@")


def is_secret(name: str) -> bool:
    """Whether a config key of this name holds a secret: it ends in token, key, password, secret."""
    return name.lower().endswith(SECRET_ENDINGS)


def hide_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a config with every secret value, at any depth, replaced by "(hidden)"."""
    return {
        name: HIDDEN if is_secret(name) and value not in ("", None) else _inside(value)
        for name, value in config.items()
    }


def mark_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a flat config like ``hide_secrets``, with a mark beside what was hidden.

    The mark is the start of a sha256: another secret has another one, and it tells no secret.
    """
    hidden = hide_secrets(config)
    for name, value in config.items():
        if hidden[name] != value:
            hidden[name] = f"{hidden[name]} #{hashlib.sha256(str(value).encode()).hexdigest()[:8]}"
    return hidden


def secret_texts(value: Any, name: str = "", *, inside: bool = False) -> dict[str, str]:
    """Every text under a secret key at any depth, by its path such as ``llm/api-key``.

    Args:
        value: A config, or a part of it.
        name: Path of the part.
        inside: Whether it is under a secret key.
    """
    found: dict[str, str] = {}
    match value:
        case Mapping():
            for key, inner in value.items():
                path = f"{name}/{key}" if name else str(key)
                found |= secret_texts(inner, path, inside=inside or is_secret(str(key)))
        case list():
            for number, inner in enumerate(value):
                found |= secret_texts(inner, f"{name}/{number}", inside=inside)
        case str() if inside and value:
            found[name] = value
    return found


def hide_secrets_in_text(text: str, config: Mapping[str, Any]) -> str:
    """Copy a command or a message without what looks like a secret, nor any secret of `config`."""
    for secret in sorted(_secrets(config), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern in (_ASSIGNED, _OPTION):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return _ADDRESS.sub(f"://{HIDDEN}@", text)


def _inside(value: Any) -> Any:
    match value:
        case Mapping():
            return hide_secrets(value)
        case list():
            return [_inside(inner) for inner in value]
        case str():
            return hide_secrets_in_text(value, {})
    return value


def _secrets(value: Any) -> set[str]:
    """Secret values of a config that are long enough not to be an ordinary word."""
    match value:
        case Mapping():
            own = {str(v) for k, v in value.items() if is_secret(str(k)) and len(str(v)) >= 6}
            return own.union(*(_secrets(inner) for inner in value.values()))
        case list():
            return set().union(*(_secrets(inner) for inner in value))
    return set()
