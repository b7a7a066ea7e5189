"""An encoder without weights: signed feature hashing of words and their letter n-grams.

Texts that share words or word stems get similar vectors, nothing more; it keeps tests and machines
without network or weights going. Weinberger et al., "Feature Hashing for Large Scale Multitask
Learning", ICML 2009.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WIDTH = 384
VERSION = "1"  # part of every cache key: raise it when the same text would give other numbers
_NGRAMS = (3, 4)
_BLOCK = 512  # texts summed at a time, bounds the memory
_WORD = re.compile(r"\w+")


def hashed_vectors(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Hash each text to 384 signed buckets, L2-normalised; the same bytes in every process.

    A word counts once as a whole (weight 1) and once more by its letter 3- and 4-grams with
    boundaries (together weight 1); upper and lower case are the same.

    Args:
        texts: N texts.

    Returns:
        (n, 384) float32 with rows of norm 1.
    """
    known: dict[str, tuple[list[int], list[float]]] = {}
    vectors = np.empty((len(texts), WIDTH), dtype=np.float32)
    for start in range(0, len(texts), _BLOCK):
        block = texts[start : start + _BLOCK]
        vectors[start : start + len(block)] = _block_vectors(block, known)
    return vectors


def _block_vectors(
    texts: Sequence[str], known: dict[str, tuple[list[int], list[float]]]
) -> npt.NDArray[np.float64]:
    buckets: list[int] = []
    weights: list[float] = []
    lengths = []
    for text in texts:
        before = len(buckets)
        for word in _WORD.findall(text.casefold()) or [text]:
            if word not in known:
                known[word] = _word_features(word)
            buckets += known[word][0]
            weights += known[word][1]
        lengths.append(len(buckets) - before)
    cells = np.repeat(np.arange(len(texts)) * WIDTH, lengths) + np.array(buckets)
    sums = np.bincount(cells, weights=weights, minlength=len(texts) * WIDTH)
    vectors = sums.reshape(len(texts), WIDTH)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    # All features of a text may cancel in a shared bucket: it still gets a direction of its own.
    for row in np.flatnonzero(norms < 1e-9).tolist():
        vectors[row, _digest(texts[row]) % WIDTH] = norms[row] = 1.0
    return np.asarray(vectors / norms, dtype=np.float64)


def _word_features(word: str) -> tuple[list[int], list[float]]:
    """Buckets and signed weights of a word and of its n-grams."""
    padded = f"<{word}>"
    grams = [padded[i : i + n] for n in _NGRAMS for i in range(len(padded) - n + 1)]
    share = 1 / max(len(grams), 1) ** 0.5
    hashes = [_digest(feature) for feature in [f"={word}", *grams]]
    signs = [1.0 if value >> 63 else -1.0 for value in hashes]
    weights = [signs[0], *(sign * share for sign in signs[1:])]
    return [value % WIDTH for value in hashes], weights


def _digest(feature: str) -> int:
    # Python's hash() differs from process to process; blake2b does not.
    encoded = feature.encode("utf-8", "replace")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")
