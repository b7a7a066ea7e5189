"""Keep secrets out of what a run shows: config values, commands, messages."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "(hidden)"
SECRET_ENDINGS = ("token", "key", "password", "secret")

_ENDINGS = "|".join(SECRET_ENDINGS)
_VALUE = r"""("[^"]*"|'[^']*'|[^\s,;'"]+)"""
# `llm.api-key=value`, and "api-key": "value" as JSON writes it; a message's "unknown key: x" stays.
_ASSIGNED = re.compile(rf"""([\w.-]*(?:{_ENDINGS})(?:["']?\s*=|["']\s*:)\s*){_VALUE}""", re.I)
_OPTION = re.compile(rf"""(--?[\w.-]*(?:{_ENDINGS})\s+){_VALUE}""", re.I)
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
