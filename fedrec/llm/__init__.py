"""Language models: a local transformers folder, an OpenAI-compatible address, SmolLM2-135M.

Nothing here knows what it is asked for. Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.llm.address import AddressModel
    from fedrec.llm.chat import Answer, Chat, Decoding, Fault, LanguageModel
    from fedrec.llm.local import LocalModel
    from fedrec.llm.opening import open_model
    from fedrec.llm.smollm2 import smollm2_folder

__all__ = [
    "AddressModel",
    "Answer",
    "Chat",
    "Decoding",
    "Fault",
    "LanguageModel",
    "LocalModel",
    "open_model",
    "smollm2_folder",
]

_HOMES = {
    "AddressModel": "fedrec.llm.address",
    "Answer": "fedrec.llm.chat",
    "Chat": "fedrec.llm.chat",
    "Decoding": "fedrec.llm.chat",
    "Fault": "fedrec.llm.chat",
    "LanguageModel": "fedrec.llm.chat",
    "LocalModel": "fedrec.llm.local",
    "open_model": "fedrec.llm.opening",
    "smollm2_folder": "fedrec.llm.smollm2",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
