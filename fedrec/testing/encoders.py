"""``check_encoder``: whether a text encoder can make a frozen embedding table."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fedrec.config.handed_over import named
from fedrec.errors import FedrecError
from fedrec.semantics.encoders import Encoder, open_encoder
from fedrec.testing.conformance import ConformanceError, demand

TEXTS = ("Alien 1979", "Heat 1995", "Amélie 2001", "A", "Alien: Resurrection 1997, Horror")
TOLERANCE = 1e-5


def check_encoder(encoder: str | Callable[..., Any] | object) -> None:
    """Check a text encoder: shape, norms, determinism, independence of the other texts.

    Args:
        encoder: A value of ``semantics.encoder``, or the object or class itself, with ``encode``.

    Raises:
        ConformanceError: The first thing that does not hold, in one line.
    """
    try:
        opened = (
            encoder if isinstance(encoder, Encoder) else open_encoder(named("encoder", encoder))
        )
        vectors = opened.encode(TEXTS)
        again = opened.encode(TEXTS)
    except FedrecError as error:
        raise ConformanceError(str(error)) from error
    demand(
        opened.width in (None, vectors.shape[1]),
        f"the encoder says its width is {opened.width}, but its vectors have {vectors.shape[1]}",
    )
    demand(bool(opened.sha256), "the encoder has no sha256 that names its weights in the cache")
    demand(
        vectors.tobytes() == again.tobytes(),
        "the same texts get other vectors the second time; the table could not be made again",
    )
    for text, vector in zip(TEXTS, vectors, strict=True):
        demand(
            bool(np.abs(opened.encode([text])[0] - vector).max() <= TOLERANCE),
            f"the vector of {text!r} depends on the texts that are encoded with it",
        )
    distinct = np.unique(vectors.round(6), axis=0)
    demand(len(distinct) > 1, "all texts get the same vector")
