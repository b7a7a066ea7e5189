"""Words of item titles as numbers of one vocabulary, made from the catalogue alone."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_WORDS = 5000  # of the vocabulary, as in the published DUALRec
MOST_OF_A_TITLE = 30

_WORD = re.compile(r"[^\W_]+")


class TitleWords(NamedTuple):
    """Titles as word numbers.

    Attributes:
        numbers: (V + 1, T) int64, 1..W in the order of the title, padded with 0 on the right; row
            0 is zero. T is at least 1.
        vocabulary: W words; word number n is ``vocabulary[n - 1]``.
    """

    numbers: NDArray[np.int64]
    vocabulary: tuple[str, ...]


def words_of(title: str) -> list[str]:
    """Words of a title: letters and digits without case and accents, the year among them."""
    plain = unicodedata.normalize("NFKD", title)
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _WORD.findall(bare.casefold())[:MOST_OF_A_TITLE]


def title_words(titles: Sequence[str], most: int = MOST_WORDS) -> TitleWords:
    """Number the words of all titles, the most frequent first, equally frequent ones by alphabet.

    The vocabulary hangs on the titles alone, so that server and clients make the same one. Words
    beyond the most frequent ones are left out.

    Args:
        titles: Titles of the V items.
        most: W at most.
    """
    rows = [words_of(title) for title in titles]
    counts = Counter(word for row in rows for word in row)
    vocabulary = sorted(counts, key=lambda word: (-counts[word], word))[:most]
    number = {word: place for place, word in enumerate(vocabulary, start=1)}
    known = [[number[word] for word in row if word in number] for row in rows]
    numbers = np.zeros((len(titles) + 1, max([1, *map(len, known)])), dtype=np.int64)
    for item, row in enumerate(known, start=1):
        numbers[item, : len(row)] = row
    return TitleWords(numbers, tuple(vocabulary))
