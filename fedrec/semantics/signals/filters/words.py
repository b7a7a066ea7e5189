"""Words of a text, as the filters compare them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_STOP = """
a after also an and any are as at be been before but by can could do does for from go had has have
he her his if in into is it it's its just let like more most no not of off on one only or other our
out own she so some such than that that's the their them then there there's these they this those to
too up was we were what when where which while who who's whose will with without would yet you
you're your
"""
# Words that fit every item, as stems: a signal of these alone tells none from another.
_EMPTY = """
achieve achieving adventure amazing anyone anything awesome beautiful beauty best better bit brand
brave buy chance choice classic cool customer day different dream easy effective elegant enjoy
enjoyable ever everyone everything excellent exciting experience family fan favorite feel feeling
film find fine friend fun get gift give goal good great happy help hero high ideal interested
interesting item joy keep kind lasting life little long look looking lot love loved lovely luxurious
magic make making many me movie much need new nice night offer people perfect person popular product
provide quality quick really recommend simple someone something special store story style take tale
thing thrill thrilling time type unique use used useful user using variety very view viewer want
wanting watch watching way wear well wonderful work world worth year young
"""
STOP_WORDS = frozenset(_STOP.split())
EMPTY_WORDS = frozenset(_EMPTY.split())


def words(text: str) -> list[str]:
    """Words of a text, in lower case and without accents, in their order."""
    plain = unicodedata.normalize("NFKD", text.lower())
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _WORD.findall(bare)


def stem(word: str) -> str:
    """A word without its possessive or the s of its plural, so that forms of it are equal."""
    word = re.sub(r"['\u2019]s$", "", word)
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def content_words(text: str) -> list[str]:
    """Stems of the words that carry the sense, in their order, repetitions kept."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS and len(word) > 1]


def telling_words(text: str) -> set[str]:
    """Stems of the words that do not fit every item."""
    return {word for word in content_words(text) if word not in EMPTY_WORDS}


def repeated_run(tokens: Sequence[str], length: int) -> tuple[str, ...] | None:
    """A run of so many words that occurs twice, or None."""
    runs = Counter(
        tuple(tokens[place : place + length]) for place in range(len(tokens) - length + 1)
    )
    return next((run for run, count in runs.items() if count > 1), None)


def jaccard(one: set[str], other: set[str]) -> float:
    """Share of common words among all of two texts; 0 for two empty ones."""
    return len(one & other) / len(one | other) if one or other else 0.0
