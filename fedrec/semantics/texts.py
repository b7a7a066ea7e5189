"""Item texts for language models, from the fields of a catalogue.

Catalogues are written for sorting ("Usual Suspects, The (1995)"), language models are trained on
prose. So articles go back to the front, entities and control characters are removed, and fields
become short sentences: "The Usual Suspects. Crime, Thriller. 1995."
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError

MAX_CHARACTERS = 4000  # sentence encoders read 256-512 word pieces, about a quarter of this

_ARTICLES = (
    "The|An|A|Les|La|Le|L'|L\u2019|Une|Un|Il|Lo|Gli|I|Una|"
    "Der|Die|Das|Den|Det|De|Ein|Eine|El|Los|Las"
)
_TURNED = re.compile(rf"^(?P<name>.+), (?P<article>{_ARTICLES})$", re.DOTALL)
_ALTERNATIVE = re.compile(r"\(([^()]*)\)")
_ALSO_KNOWN = re.compile(r"^a\.?k\.?a\.?\s+", re.IGNORECASE)
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
# Marks that only steer the display (bidirectional overrides could reorder what a report shows),
# and halves of surrogate pairs, which no tokenizer can encode. Right-to-left letters stay.
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True)
class ItemTexts:
    """The texts of a catalogue and what had to be done to get them.

    Attributes:
        texts: One text per item, entry [v - 1] for item v, never empty.
        fallbacks: How many items had no text in the chosen fields and got "item <original id>".
        cut: How many texts were longer than ``MAX_CHARACTERS`` and were cut there.
    """

    texts: list[str]
    fallbacks: int
    cut: int


def clean(text: str) -> str:
    """Text on one line: entities decoded, control and direction characters removed, NFC."""
    text = _INVISIBLE.sub("", html.unescape(text))
    return unicodedata.normalize("NFC", _SPACES.sub(" ", text)).strip()


def readable_title(title: str) -> str:
    """Put the article back in front, in the title and in each alternative title.

    "Postman, The (Postino, Il)" becomes "The Postman (Il Postino)".
    """
    pieces = _ALTERNATIVE.split(title)  # odd pieces were in parentheses
    turned = [
        f"({_turned_alternative(piece)})" if place % 2 else _turned(piece.strip())
        for place, piece in enumerate(pieces)
    ]
    return " ".join(piece for piece in turned if piece)


def _turned_alternative(piece: str) -> str:
    piece = piece.strip()
    known_as = _ALSO_KNOWN.match(piece)
    prefix = known_as.group() if known_as else ""
    return prefix + _turned(piece[len(prefix) :])


def _turned(name: str) -> str:
    match = _TURNED.match(name)
    if match is None:
        return name
    article = match["article"]
    return article + ("" if article.endswith(("'", "\u2019")) else " ") + match["name"]


def describe_items(
    catalog: Catalog, fields: Sequence[str] = ("title", "genres", "year")
) -> ItemTexts:
    """Write the text of every item from the chosen fields, in their order.

    Args:
        catalog: The V items.
        fields: Names among "title", "genres", "year", "description" and further text columns.
            A year at the end of a title moves to the field "year".

    Returns:
        V texts with the counts of fallbacks and cuts.

    Raises:
        ConfigError: No field, a field twice, or one that the catalogue does not have.
    """
    check_fields(catalog, fields)
    texts, fallbacks, cut = [], 0, 0
    for place, item_id in enumerate(catalog.item_ids):
        text = _sentences(catalog, place, fields)
        if not text:
            fallbacks += 1
            text = f"item {clean(item_id[:MAX_CHARACTERS])}"
        if len(text) > MAX_CHARACTERS:
            cut += 1
            text = text[:MAX_CHARACTERS].rstrip()
        texts.append(text)
    return ItemTexts(texts=texts, fallbacks=fallbacks, cut=cut)


def check_fields(catalog: Catalog, fields: Sequence[str]) -> None:
    """Refuse fields that the catalogue does not have, or that are named twice.

    Raises:
        ConfigError: ``semantics.fields`` must be others.
    """
    known = ["title", "genres", "year", "description", *catalog.columns]
    unknown = [field for field in fields if field not in known]
    if unknown:
        raise ConfigError(
            f"semantics.fields names {', '.join(map(repr, unknown))}, which the catalogue does not "
            f"have; its fields are {', '.join(known)}"
        )
    if not fields or len(set(fields)) < len(fields):
        raise ConfigError(
            f"semantics.fields must name each field once and at least one, got {list(fields)}; "
            f"the catalogue has {', '.join(known)}"
        )


def _sentences(catalog: Catalog, place: int, fields: Sequence[str]) -> str:
    title, year = title_and_year(catalog.titles[place], catalog.years[place])
    parts = []
    for field in fields:
        if field == "title":
            part = title
        elif field == "genres":
            part = ", ".join(filter(None, map(clean, catalog.genres[place])))
        elif field == "year":
            part = "" if year is None else str(year)
        elif field == "description":
            part = clean(catalog.descriptions[place])
        else:
            value = clean(catalog.columns[field][place])
            part = f"{field}: {value}" if value else ""
        if part:
            parts.append(part if part.endswith((".", "!", "?", "\u2026")) else f"{part}.")
    return " ".join(parts)


def title_and_year(title: str, year: int | None) -> tuple[str, int | None]:
    """Readable title without its year, and the year from the catalogue or else from the title."""
    title = clean(title)
    match = _YEAR.search(title)
    if match is not None and match.start() > 0 and year in (None, int(match[1])):
        title, year = title[: match.start()], int(match[1])
    return readable_title(title), year
