"""One seed, many independent streams: no global generator anywhere."""

import zlib

import numpy as np


def generator(seed: int, *path: int | str) -> np.random.Generator:
    """Random stream of one purpose: ``generator(7, "client", 12, "round", 3)``.

    Streams of different paths are independent, so the result of a client does not
    depend on which worker ran it, nor on who ran before it.
    """
    key = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in path]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def derangement(stream: np.random.Generator, n: int) -> np.ndarray:
    """(n,) For each of n places another one: a random cycle through all of them."""
    circle = stream.permutation(n)
    others = np.empty(n, dtype=np.int64)
    others[circle] = np.roll(circle, 1)
    return others
