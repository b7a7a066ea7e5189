"""Texts beyond what an encoder reads: how many there are, and the mean over their chunks.

An encoder of sentence-transformers reads so many word pieces (256 for "minilm") and drops the rest
of a text, so that two texts with one beginning get equal vectors.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fedrec.errors import ResourceError
from fedrec.files.atomic import sha256, write_file

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tokenized:
    """Texts as an encoder counts them.

    Attributes:
        limit: Word pieces that the encoder reads of a text, special ones included.
        counts: (n,) word pieces of each text, special ones included.
        chunks: Of each text, pieces within the limit that together are the whole.
    """

    limit: int
    counts: list[int]
    chunks: list[list[str]]

    @property
    def beyond(self) -> list[bool]:
        """(n,) whether the encoder would cut a text."""
        return [count > self.limit for count in self.counts]


Tokenize = Callable[[Sequence[str]], Tokenized | None]


def tokenize(folder: Path, texts: Sequence[str]) -> Tokenized | None:
    """Count the word pieces of n texts; None where the folder does not say how it counts them."""
    try:
        from tokenizers import Tokenizer

        settings = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
        limit = settings["max_seq_length"]
        if type(limit) is not int:
            return None
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # another layout, another library: tokenizers raises bare Exception
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    special = tokenizer.num_special_tokens_to_add(False)
    if limit <= special:
        return None
    counts, chunks = [], []
    for text in texts:
        found = tokenizer.encode(text, add_special_tokens=False)
        counts.append(len(found.ids) + special)
        starts = _starts(found.word_ids, limit - special)
        places = [found.offsets[start][0] for start in starts[1:]]
        chunks.append([text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)])
    return Tokenized(limit, counts, chunks)


def _starts(words: Sequence[int | None], room: int) -> list[int]:
    """First word piece of each chunk: at a word's beginning, unless one word fills a chunk."""
    starts = [0]
    while len(words) - starts[-1] > room:
        end = starts[-1] + room
        begin = end
        while begin > starts[-1] and words[begin] == words[begin - 1]:
            begin -= 1
        starts.append(begin if begin > starts[-1] else end)
    return starts


def mean_over_chunks(
    texts: list[str], tokenized: Tokenized | None, encode: Callable[[list[str]], Vectors]
) -> Vectors:
    """Vectors (n, S0) of texts: of a long one the mean over its chunks' vectors, of norm 1.

    Args:
        texts: n distinct texts.
        tokenized: Their chunks; None where the encoder does not count.
        encode: Encodes a list of texts to rows of norm 1.
    """
    if tokenized is None:
        return encode(texts)
    chunks = sorted({chunk for some in tokenized.chunks for chunk in some})
    row = {chunk: place for place, chunk in enumerate(chunks)}
    vectors = np.asarray(encode(chunks), dtype=np.float64)
    means = np.stack([vectors[[row[c] for c in some]].mean(axis=0) for some in tokenized.chunks])
    return np.asarray(means, dtype=np.float32)  # the caller gives every row the norm 1


@dataclass(frozen=True)
class Beyond:
    """How many of a catalogue's texts an encoder would cut.

    Attributes:
        items: Items whose text is beyond the limit.
        limit: Word pieces that the encoder reads.
        longest: Word pieces of the longest text.
    """

    items: int
    limit: int
    longest: int

    def told(self, long_texts: str) -> str:
        """One line on what happened to them."""
        done = "the mean over their chunks" if long_texts == "chunks" else "cut there"
        hint = "" if long_texts == "chunks" else " (semantics.long-texts = 'chunks' reads them)"
        return (
            f"{self.items} item texts are longer than the {self.limit} word pieces that the "
            f"encoder reads, the longest has {self.longest}: {done}{hint}"
        )


def count_beyond(
    tokenize: Tokenize | None, identity: dict[str, object], texts: Sequence[str], folder: Path
) -> Beyond | None:
    """Count texts beyond the limit, once for equal encoders and texts; None where it is unknown.

    Args:
        tokenize: Of the encoder; None for one that reads whole texts.
        identity: What identifies the encoder.
        texts: (V,) text of every item.
        folder: Folder of the cache.
    """
    if tokenize is None:
        return None
    key = sha256(json.dumps([identity, list(texts)], sort_keys=True).encode())
    path = folder / f"lengths-{key}.json"
    try:
        return Beyond(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        pass  # not counted yet
    try:
        found = tokenize(texts)
    except ResourceError:  # the table is there, the weights that made it are not
        return None
    if found is None:
        return None
    beyond = Beyond(sum(found.beyond), found.limit, max(found.counts, default=0))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(vars(beyond)).encode())
    except (OSError, ResourceError):
        pass  # counted again next time
    return beyond
