"""Frozen text encoders by name: minilm, hashed, a folder, a hub name or an import string.

Opening an encoder finds out which weights it stands for (their hash goes into every cache key) and
imports neither torch nor sentence-transformers; both wait for the first call of ``encode``.
There is no fallback to another encoder: a missing one is an error that says what to do.
"""

import hashlib
import importlib
import inspect
import os
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fedrec.config.failures import user_code_failures
from fedrec.config.values.import_strings import IMPORT_STRING, import_string
from fedrec.errors import ConfigError
from fedrec.llm.quiet import one_quiet_thread
from fedrec.semantics import hashing, weights
from fedrec.semantics.long_texts import Tokenize, mean_over_chunks, tokenize

_BATCH = 64
# Other numbers, another hash: no cache may give one for the other.
_MINILM = {
    "minilm": weights.MINILM_SHA256,
    "minilm-bf16": hashlib.sha256(f"{weights.MINILM_SHA256} in bfloat16".encode()).hexdigest(),
}
_HUB_NAME = re.compile(r"^\w[\w.-]*(/\w[\w.-]*)?$")

Vectors = npt.NDArray[np.float32]
Encode = Callable[[list[str]], npt.ArrayLike]


@dataclass(frozen=True)
class Encoder:
    """An encoder and what identifies its numbers.

    Attributes:
        name: Name as the user wrote it in ``semantics.encoder``.
        revision: Commit of a hub model, "" for every other kind.
        pooling: How token vectors become one vector ("mean", "cls", ...).
        sha256: Sha256 of the weights.
        width: S0 of its vectors, None when only encoding tells.
        encode_texts: Texts to an (n, S0) array; call `encode`, which checks the result.
        tokenize: Counts the word pieces of texts; None for an encoder that reads them whole.
    """

    name: str
    revision: str
    pooling: str
    sha256: str
    width: int | None
    encode_texts: Encode
    tokenize: Tokenize | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts to (n, S0) float32 rows of norm 1.

        A text's vector depends on the set of texts alone, not on their order or repetitions.

        Raises:
            ConfigError: The encoder gave another shape, a value that is not finite or a zero row.
            ResourceError: The weights or a package are missing or damaged.
        """
        distinct = sorted(set(texts))
        row = {text: place for place, text in enumerate(distinct)}
        what = f"semantics.encoder {self.name!r} failed on {len(distinct)} texts"
        # A failure of an encoder of ours is a bug of ours, and keeps its traceback.
        is_user_code = IMPORT_STRING.fullmatch(self.name)
        with user_code_failures(what) if is_user_code else nullcontext():
            vectors = np.asarray(self.encode_texts(distinct))
        if vectors.ndim != 2 or len(vectors) != len(distinct) or vectors.shape[1] == 0:
            raise ConfigError(
                f"semantics.encoder = {self.name!r} gave an array of shape {vectors.shape} for "
                f"{len(distinct)} texts, expected ({len(distinct)}, width)"
            )
        vectors = vectors.astype(np.float64)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
        if bad.size:
            raise ConfigError(
                f"semantics.encoder = {self.name!r} gave a zero or non-finite vector for "
                f"{bad.size} texts, the first {distinct[bad[0]][:60]!r}; each must be finite and "
                "not zero"
            )
        return np.asarray((vectors / norms)[[row[text] for text in texts]], dtype=np.float32)


def open_encoder(name: str, *, revision: str = "") -> Encoder:
    """Find the encoder that `name` stands for, without loading it.

    Args:
        name: "minilm" (weights of the offline extra), "minilm-bf16" (the same weights, computed in
            bfloat16), "hashed" (no weights), a folder, the hub name of a sentence-transformers
            model with safetensors weights, or "package.module:name": an object, or a class, whose
            method ``encode`` makes an (n, S0) array of a list of texts, or an `Encoder`. Its
            ``sha256`` attribute, else the source of its module, stands for its weights in the cache
            key.
        revision: Branch, tag or commit of a hub model; refused for the others.

    Raises:
        ConfigError: No such folder, module, model or revision.
        ResourceError: The hub cannot be reached and its cache does not hold the model.
    """
    folder = Path(name).expanduser()
    is_folder = os.path.isdir(folder)  # False, not an error, for a name that is too long
    if name in (*_MINILM, "hashed") or IMPORT_STRING.fullmatch(name) or is_folder:
        if revision:
            raise ConfigError(
                f"semantics.revision = {revision!r} needs a hub name in semantics.encoder, which "
                f'is {name!r}; set semantics.revision = ""'
            )
        if name in _MINILM:
            return Encoder(
                name,
                "",
                "mean",
                _MINILM[name],
                weights.MINILM_WIDTH,
                partial(_encode_with_minilm, in_bfloat16=name != "minilm"),
                lambda texts: tokenize(weights.minilm_folder(), texts),
            )
        if name == "hashed":
            version = hashlib.sha256(f"hashed {hashing.VERSION}".encode()).hexdigest()
            return Encoder(name, "", "sum", version, hashing.WIDTH, hashing.hashed_vectors)
        return _folder_encoder(name, folder, "") if is_folder else _own_encoder(name)
    if not _HUB_NAME.match(name):
        raise ConfigError(
            f"semantics.encoder = {name!r} is no folder here; give minilm, minilm-bf16, hashed, "
            "an existing folder, a hub name (owner/model) or package.module:name"
        )
    snapshot = weights.hub_snapshot(name, revision)
    return _folder_encoder(name, snapshot, snapshot.name)


def read_in_chunks(encoder: Encoder) -> Encoder:
    """An encoder that reads a text beyond its limit as the mean over its chunks.

    One without a limit is left as it is.
    """
    count, encode = encoder.tokenize, encoder.encode_texts
    if count is None:
        return encoder

    def encode_chunks(texts: list[str]) -> npt.ArrayLike:
        return mean_over_chunks(
            texts, count(texts), lambda parts: np.asarray(encode(parts), dtype=np.float32)
        )

    return replace(encoder, pooling=f"{encoder.pooling}, over chunks", encode_texts=encode_chunks)


def _own_encoder(name: str) -> Encoder:
    own = import_string("semantics.encoder", name)
    if isinstance(own, Encoder):
        return own
    if not callable(getattr(own, "encode", None)):
        # A function is not called to find out what it does with texts: it may be any function.
        raise ConfigError(
            f"semantics.encoder {name!r} is a {type(own).__name__} without encode(); expected an "
            "object, or a class, with a method encode(texts)"
        )
    if inspect.isclass(own):
        with user_code_failures(f"semantics.encoder {name!r} failed when it was made"):
            own = own()
    sha256 = getattr(own, "sha256", None) or _source_sha256(name, name.partition(":")[0])
    pooling = str(getattr(own, "pooling", "own"))
    return Encoder(name, "", pooling, str(sha256), getattr(own, "width", None), own.encode)


def _source_sha256(name: str, module_name: str) -> str:
    source = getattr(importlib.import_module(module_name), "__file__", None)
    if source is None:
        raise ConfigError(
            f"semantics.encoder = {name!r} has no source file to identify it by; give it an "
            "attribute sha256"
        )
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()


def _folder_encoder(name: str, folder: Path, revision: str) -> Encoder:
    missing = weights.lacks(folder)
    if missing is not None:
        raise ConfigError(
            f"semantics.encoder = {name!r}: {folder} lacks {missing}; expected what "
            "SentenceTransformer.save writes (fedrec never unpickles weights)"
        )
    sha256 = weights.folder_sha256(folder)
    return Encoder(
        name=name,
        revision=revision,
        pooling=weights.pooling(folder),
        sha256=sha256,
        width=None,
        encode_texts=partial(_encode_with_folder, folder, sha256),
        tokenize=partial(tokenize, folder),
    )


def _encode_with_minilm(texts: list[str], *, in_bfloat16: bool) -> Vectors:
    folder = weights.minilm_folder()
    return _encode_with_folder(folder, weights.MINILM_SHA256, texts, in_bfloat16=in_bfloat16)


def _encode_with_folder(
    folder: Path, sha256: str, texts: list[str], *, in_bfloat16: bool = False
) -> Vectors:
    try:
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise weights.missing_package(str(folder)) from error
    with one_quiet_thread():
        model = _loaded(SentenceTransformer, folder, sha256)
        # It puts texts of about one length into a batch. Products alone are in bfloat16.
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            vectors = model.encode(
                texts, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
            )
    return np.asarray(vectors, dtype=np.float32)


@lru_cache(maxsize=1)  # `fedrec demo` encodes one new item after another
def _loaded(load: Callable[..., Any], folder: Path, sha256: str) -> Any:
    """The sentence-transformers model of a folder whose files have this hash."""
    try:
        return load(
            str(folder),
            device="cpu",
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"semantics.encoder: sentence-transformers cannot load {folder} ({error})"
        ) from error
