"""The filters by name, and what a refused answer is told to have wrong."""

from dataclasses import dataclass

ABOUT = {
    "schema": "is no JSON object of exactly the keys asked for, each a text; or was cut at its "
    "limit of tokens",
    "length": "has fewer than 3 or more than 30 words, or more than 240 characters",
    "markup": "holds an address, a tag, braces or talk about itself instead of the item",
    "copied-example": "is the same or nearly the same as in a worked example of the prompt",
    "title-echo": "says little that the item's own text does not",
    "loop": "repeats itself: within one signal, or from one kind to the next",
    "generic": "fits every item: it has fewer than two words that tell items apart, or words "
    "that most other signals have",
    "duplicate": "is the same or nearly the same as that of another item",
    "instructions": "the item's text holds instructions for a language model; it is not sent",
    "no-text": "the item has no text to ask about; it is not sent",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a filter found.

    Attributes:
        filter: Name of the filter, a key of ``ABOUT``.
        kind: Kind of the signal, "" for the answer or the item as a whole.
        told: What was seen.
    """

    filter: str
    kind: str
    told: str
