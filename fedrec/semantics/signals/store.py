"""The file of signals: who wrote them, and one line an item, joined by the original id.

The first line is the header; its ``sha256`` is that of the bytes after it. A file whose lines were
changed is refused, since a run records this hash.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedrec.errors import DataError
from fedrec.files.atomic import read_regular, sha256, write_file

NAME = "signals.jsonl"
FORMAT = "fedrec-signals-1"


@dataclass(frozen=True, kw_only=True)
class Signals:
    """Signals of items by a model.

    Attributes:
        header: format, dataset, model, revision, prompt, prompt_sha256, kinds, temperature,
            max_tokens, seed, date, items (asked about), counts, sha256.
        by_item: Original item id -> kind -> signal; items without one are left out.
    """

    header: Mapping[str, Any]
    by_item: Mapping[str, Mapping[str, str]]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of signals that were asked for."""
        return tuple(self.header["kinds"])

    def texts(self, item_ids: Sequence[str], kind: str) -> list[str]:
        """The signals of a kind for the items of any catalogue, "" where there is none."""
        return [self.by_item.get(item, {}).get(kind, "") for item in item_ids]


def write_signals(
    path: Path, header: Mapping[str, Any], by_item: Mapping[str, Mapping[str, str]]
) -> str:
    """Write the file, whole or not at all.

    Args:
        path: The file.
        header: What is known of the signals.
        by_item: Original item id -> kind -> signal, in the order of the lines.

    Returns:
        The hash of its lines after the header.

    Raises:
        ResourceError: It cannot be written.
    """
    lines = [
        json.dumps({"item": item, **signals}, ensure_ascii=False)
        for item, signals in by_item.items()
        if signals
    ]
    body = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    digest = sha256(body)
    first = json.dumps({"format": FORMAT, **header, "sha256": digest}, ensure_ascii=False)
    write_file(path, f"{first}\n".encode("utf-8", "backslashreplace") + body)
    return digest


def read_signals(path: Path) -> Signals:
    """Read a file of signals.

    Raises:
        DataError: No such file, another format, an item twice, or lines that were changed.
    """
    try:
        first, _, body = read_regular(path).partition(b"\n")
        header = json.loads(first)
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}")
        if header["sha256"] != sha256(body):
            raise ValueError("its lines have another hash than its first line says")
        by_item: dict[str, dict[str, str]] = {}
        for line in body.splitlines():
            signals = json.loads(line)
            item = signals.pop("item")
            if item in by_item:
                raise ValueError(f"item {item!r} is in it twice")
            by_item[item] = {kind: str(signals[kind]) for kind in signals}
        return Signals(header=header, by_item=by_item)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}; `fedrec signals` writes such a file"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no file of signals as `fedrec signals` writes it ({error}); write it again"
        ) from None
