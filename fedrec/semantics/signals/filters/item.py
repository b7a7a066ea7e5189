"""Filters of an item's text, before anything is sent: what they find is never paid.

The text is fenced as data, but a fence is a request to a model and no wall: text that addresses
the model is left out instead.
"""

import re

from fedrec.semantics.signals.filters.names import Finding

_INSTRUCTIONS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:instruction|prompt|rule|above|"
    r"previous|prior|earlier|everything|system)|"
    r"\b(?:system|developer) (?:prompt|message|instruction)|"
    r"\byou are (?:now |an? )?(?:chat ?gpt|an? ai\b|assistant|language model)|"
    r"\b(?:new|your) (?:instructions?|task|role) (?:is|are|:)|"
    r"\b(?:answer|reply|respond|output|return|print|say|write)\b[^.\n]{0,30}"
    r"\b(?:only|exactly|instead|the following|with the words?|json)\b|"
    r"\bas an ai\b|^(?:\w+: )?(?:assistant|system|user)\s*:|"
    r"<\|?\s*(?:im_start|im_end|system|assistant)|"
    r"\u2039\|?\s*/?(?:im_start|im_end|system|assistant|item)|"
    r"\[/?inst\]|#{2,}\s*(?:instruction|system|response)|\bjailbreak|"
    r"\b(?:usage|intent|theme)\"?\s*:\s*\"|\bdo not (?:follow|obey)\b",
    re.IGNORECASE | re.MULTILINE,
)


def check_item(item: str) -> Finding | None:
    """Why an item must not be asked about, or None.

    Args:
        item: Its text, as the prompt would show it.
    """
    if not item.strip():
        return Finding(filter="no-text", kind="", told="no field has a text")
    found = _INSTRUCTIONS.search(item)
    if found:
        return Finding(filter="instructions", kind="", told=f"{found[0][:80]!r}")
    return None
