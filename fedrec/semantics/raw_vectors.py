"""Vectors of texts as an encoder gives them, before whitening: encoded once, kept on disk."""

import hashlib
import json
import logging
from pathlib import Path

from fedrec.errors import ConfigError
from fedrec.semantics.cache import Manifest, Vectors, cached_array
from fedrec.semantics.encoders import Encoder, open_encoder, read_in_chunks

log = logging.getLogger(__name__)

FORMAT = 1  # raise it when the same inputs would give other numbers


def open_text_encoder(encoder: str, *, revision: str, long_texts: str) -> Encoder:
    """The encoder of a config, which reads long texts as it says; see ``embedding_table``.

    Raises:
        ConfigError: No such encoder or revision.
        ResourceError: Its weights are missing.
    """
    opened = open_encoder(encoder, revision=revision)
    return read_in_chunks(opened) if long_texts == "chunks" else opened


def check_width(encoder: Encoder, width: int) -> None:
    """Refuse a width that the encoder does not have.

    Raises:
        ConfigError: ``semantics.width`` is below 1 or above the encoder's.
    """
    if width < 1 or (encoder.width is not None and width > encoder.width):
        raise ConfigError(
            f"semantics.width must be from 1 to {encoder.width or 'the width of the encoder'}, the "
            f"width of {encoder.name!r}, got {width}"
        )


def raw_vectors(encoder: Encoder, texts: list[str], folder: Path) -> Vectors:
    """(V, S0) vectors of the encoder, kept so that another width or order encodes nothing."""
    distinct = sorted(set(texts))
    key = json_sha256({"kind": "raw", **identity(encoder), "texts": distinct})

    def build() -> tuple[Vectors, Manifest]:
        log.info("encoding %d texts with %s", len(distinct), encoder.name)
        return encoder.encode(distinct), identity(encoder)

    vectors, _ = cached_array(folder / f"raw-{key}", build)
    row = {text: place for place, text in enumerate(distinct)}
    return vectors[[row[text] for text in texts]]


def identity(encoder: Encoder) -> Manifest:
    """What the vectors of a text depend on besides the text."""
    return {
        "format": FORMAT,
        "encoder": encoder.name,
        "encoder_sha256": encoder.sha256,
        "revision": encoder.revision,
        "pooling": encoder.pooling,
    }


def json_sha256(facts: Manifest) -> str:
    """Hash of a JSON value, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
