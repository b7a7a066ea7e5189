"""Damages of a run folder: of every file in it, of the values in its JSON, of its layout."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedrec.randomness import generator

Apply = Callable[[Path], None]
HUGE = 8 << 30  # bytes of a sparse file
DEEP = "[" * 20_000 + "]" * 20_000


@dataclass(frozen=True)
class Damage:
    """One damage of a run folder.

    Attributes:
        file: File or folder that is damaged, relative to the run's.
        name: What is done to it.
        apply: Does it, to a copy of the folder.
    """

    file: str
    name: str
    apply: Apply


def all_damages(folder: Path) -> list[Damage]:
    """Every damage of the files that a run folder has."""
    found: list[Damage] = []
    files = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    for file in files:
        if file.startswith("figures/") and file != next(f for f in files if "figures/" in f):
            continue
        found += _of_file(file)
        if file.endswith((".json", ".jsonl")):
            found += _of_json(file, folder / file)
        if file.endswith((".csv", ".toml")):
            found += _of_text(file)
    return [*found, *_of_layout()]


def draw_damages(folder: Path, number: int, seed: int) -> list[Damage]:
    """Draw damages; every file has about as many as any other. 0 draws all."""
    every = all_damages(folder)
    if not number or number >= len(every):
        return every
    draw = generator(seed, "folder fuzz")
    by_file: dict[str, list[Damage]] = {}
    for damage in every:
        by_file.setdefault(damage.file, []).append(damage)
    pools = [[each[int(i)] for i in draw.permutation(len(each))] for each in by_file.values()]
    turns = [one for turn in range(max(map(len, pools))) for one in _turn(pools, turn)]
    return turns[:number]


def _turn(pools: list[list[Damage]], turn: int) -> list[Damage]:
    return [pool[turn] for pool in pools if turn < len(pool)]


def _of_file(file: str) -> Iterator[Damage]:
    def put(content: Callable[[bytes], bytes]) -> Apply:
        def apply(folder: Path) -> None:
            (folder / file).write_bytes(content((folder / file).read_bytes()))

        return apply

    yield Damage(file, "deleted", lambda folder: (folder / file).unlink())
    for share in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9):
        yield Damage(file, f"cut to {share:.0%}", put(lambda c, s=share: c[: int(s * len(c))]))  # type: ignore[misc]  # mypy cannot infer a default
    yield Damage(file, "its last byte cut off", put(lambda c: c[:-1]))
    yield Damage(file, "its first byte only", put(lambda c: c[:1]))
    for share in (0.0, 0.07, 0.21, 0.35, 0.49, 0.63, 0.77, 0.91, 1.0):
        for bit in (0, 6):
            yield Damage(file, f"bit {bit} flipped at {share:.0%}", put(_flipped(share, bit)))
    yield Damage(file, "zeros of its length", put(lambda c: bytes(len(c))))
    yield Damage(file, "garbage of its length", put(_garbage))
    yield Damage(file, "a byte that is no UTF-8 before it", put(lambda c: b"\xff" + c))
    yield Damage(file, "a byte that is no UTF-8 behind it", put(lambda c: c + b"\xff"))
    yield Damage(file, "twice its content", put(lambda c: c + c))
    yield Damage(file, "a line break behind it", put(lambda c: c + b"\n"))
    yield Damage(file, "Windows line breaks", put(lambda c: c.replace(b"\n", b"\r\n")))
    yield Damage(file, "a byte order mark", put(lambda c: b"\xef\xbb\xbf" + c))
    yield Damage(file, "thousands of brackets", put(lambda c: DEEP.encode()))
    yield Damage(file, "a number of 5,000 digits", put(lambda c: b"1" * 5000))
    yield Damage(file, "another file of the run", put(lambda c: c))
    found: list[tuple[str, Callable[[Path], None]]] = [
        ("a folder", lambda path: path.mkdir()),
        ("a link to itself", lambda path: path.symlink_to(path.name)),
        ("a link to nothing", lambda path: path.symlink_to("nothing-here")),
        ("a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")),
        ("a link to /dev/null", lambda path: path.symlink_to("/dev/null")),
        ("a pipe", lambda path: os.mkfifo(path)),
        ("8 GiB of zeros", _sparse),
    ]
    for name, make in found:
        yield Damage(file, f"replaced by {name}", _replace(file, make))


def _replace(file: str, make: Callable[[Path], None]) -> Apply:
    def apply(folder: Path) -> None:
        (folder / file).unlink()
        make(folder / file)

    return apply


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE)


def _flipped(share: float, bit: int) -> Callable[[bytes], bytes]:
    def flip(content: bytes) -> bytes:
        found = bytearray(content)
        if found:
            found[min(int(share * len(found)), len(found) - 1)] ^= 1 << bit
        return bytes(found)

    return flip


def _garbage(content: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(content))


ODD: tuple[Any, ...] = (
    None, "x", "", -1, 0, 1.5, 2**63, 10**400, True, [], [1], {}, {"x": 1}, "\ud800", "x" * 10**5,
)  # fmt: skip


def _of_json(file: str, path: Path) -> Iterator[Damage]:
    """Wrong types inside: each key of the first object gone, or with a value of another kind."""
    lines = path.read_text().splitlines()
    first = json.loads(lines[0] if file.endswith("l") else path.read_text())
    for place, key in enumerate(first):
        yield Damage(file, f"{key!r} gone", _edit(file, lambda it, k=key: it.pop(k, None)))  # type: ignore[misc]  # mypy cannot infer a default
        for step in range(4):
            odd = ODD[(place * 4 + step) % len(ODD)]
            yield Damage(
                file,
                f"{key!r} is {ascii(odd)[:20]}",
                _edit(file, lambda it, k=key, v=odd: it.__setitem__(k, v)),  # type: ignore[misc]  # as above
            )
        if isinstance(first[key], dict):
            for inner in list(first[key])[:3]:
                yield Damage(
                    file,
                    f"{key!r}.{inner!r} is a list",
                    _edit(file, lambda it, k=key, i=inner: it[k].__setitem__(i, [])),  # type: ignore[misc]  # as above
                )
    for words, text in {
        "null": "null", "a list": "[]", "a word": '"x"', "a number": "1", "NaN": '{"round": NaN}',
        "an empty object": "{}", "a key twice": '{"format": 2, "format": 3}',
    }.items():  # fmt: skip
        yield Damage(file, f"{words} in its place", _text(file, text))


def _edit(file: str, change: Callable[[dict[str, Any]], object]) -> Apply:
    """Change the object of a JSON file, or that of the middle line."""

    def apply(folder: Path) -> None:
        path = folder / file
        text = path.read_text()
        lines = text.splitlines() if file.endswith("l") else [text]
        middle = len(lines) // 2
        record = json.loads(lines[middle])
        try:
            change(record)
        except (KeyError, TypeError, AttributeError):  # a damage before changed its kind
            return
        lines[middle] = json.dumps(record, indent=2 if len(lines) == 1 else None)
        path.write_text("\n".join([*lines, ""]))

    return apply


def _text(file: str, text: str) -> Apply:
    return lambda folder: _write(folder / file, text)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _of_text(file: str) -> Iterator[Damage]:
    def put(content: Callable[[list[str]], list[str]]) -> Apply:
        def apply(folder: Path) -> None:
            lines = (folder / file).read_text(encoding="utf-8").splitlines()
            _write(folder / file, "\n".join([*content(lines), ""]))

        return apply

    yield Damage(file, "a line less", put(lambda lines: [*lines[:2], *lines[3:]]))
    yield Damage(file, "a line twice", put(lambda lines: [*lines, lines[-1]]))
    yield Damage(file, "its lines in reverse", put(lambda lines: lines[::-1]))
    yield Damage(file, "its first line gone", put(lambda lines: lines[1:]))
    yield Damage(file, "a digit changed", put(_digit))
    yield Damage(
        file, "words for numbers", put(lambda lines: [one.replace("1", "one") for one in lines])
    )
    yield Damage(file, "a column more", put(lambda lines: [f"{line},1" for line in lines]))


def _digit(lines: list[str]) -> list[str]:
    place = len(lines) // 2
    for at in (*range(place, len(lines)), *range(place)):
        for old, new in zip("1234567890", "2345678901", strict=True):
            if old in lines[at]:
                return [*lines[:at], lines[at].replace(old, new, 1), *lines[at + 1 :]]
    return lines


def _of_layout() -> Iterator[Damage]:
    def made(name: str, content: str | None = "x") -> Apply:
        def apply(folder: Path) -> None:
            path = folder / name
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, content)

        return apply

    for name, content in {
        "notes.txt": "x", "more": None, "checkpoints/round-99999": None, "stop": "", "a\nb": "x",
        "checkpoints/round-abc": None, "checkpoints/notes.txt": "x", "model.pkl": "x",
        "checkpoints/.round-00009.draft": None, "checkpoints/round-00001.old": None,
        ".model.safetensors.draft": "x", "\udcff": "x",
    }.items():  # fmt: skip
        yield Damage("(more)", f"{name!a} is there, too", made(name, content))
    yield Damage("checkpoints", "deleted", lambda folder: shutil.rmtree(folder / "checkpoints"))
    places: dict[str, Callable[[Path], None]] = {
        "an empty folder": lambda path: path.mkdir(),
        "a file": lambda path: path.touch(),
        "a link to itself": lambda path: path.symlink_to(path.name),
        "nothing": lambda path: None,
    }
    for words, make in places.items():
        for name in ("checkpoints", "figures", "."):
            file = "(the whole folder)" if name == "." else name
            yield Damage(file, words, _swapped(name, make))


def _swapped(name: str, make: Callable[[Path], None]) -> Apply:
    def apply(folder: Path) -> None:
        path = folder if name == "." else folder / name
        shutil.rmtree(path, ignore_errors=True)
        make(path)

    return apply
