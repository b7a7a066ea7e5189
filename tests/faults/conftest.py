"""Faults are caused, not described: signals at a chosen moment, disks that are really full."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedrec.runs.record import read_json, read_rounds

NOT_EASY = {
    "model.private": "gate-bias",
    "model.dropout": 0.2,
    "partition.count": 6,
    "federation.fraction": 0.5,
    "federation.rounds": 4,
    "strategy.name": "server-adam",
}


@pytest.fixture
def not_easy(small_config) -> Callable[..., Any]:
    """The small federation with dropout, private parameters, half the clients, a server's state."""
    return lambda changes=None: small_config(NOT_EASY | (changes or {}))


@pytest.fixture
def strike(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``strike(module, name, number, act)``: act just before the given call of a function."""

    def arrange(module: Any, name: str, number: int, act: Callable[[], object]) -> None:
        real, calls = getattr(module, name), []

        def counted(*args: Any, **keywords: Any) -> Any:
            calls.append(name)
            if len(calls) == number:
                act()
            return real(*args, **keywords)

        monkeypatch.setattr(module, name, counted)

    return arrange


@pytest.fixture
def ctrl_c() -> Callable[[], None]:
    """A real SIGINT to this process."""
    return lambda: signal.raise_signal(signal.SIGINT)


@pytest.fixture
def left_by() -> Callable[[Path], tuple[bytes, list[dict[str, Any]]]]:
    """What must be equal of two runs: the model's bytes and the history but for wall times."""

    def look(folder: Path) -> tuple[bytes, list[dict[str, Any]]]:
        lines, torn = read_rounds(folder / "rounds.jsonl")
        assert not torn
        for line in lines:
            del line["seconds"], line["elapsed"]
        return (folder / "model.safetensors").read_bytes(), lines

    return look


@pytest.fixture
def about() -> Callable[[Path], dict[str, Any]]:
    """run.json of a folder."""
    return lambda folder: read_json(folder / "run.json")


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, int], Callable[[], Path]]]:
    """``fill = small_disk(folder, kib)`` mounts a file system of that size; ``fill()`` fills it.

    ``fill()`` returns the file to remove for room.
    """
    mounted: list[Path] = []

    def mount(folder: Path, kib: int) -> Callable[[], Path]:
        folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount here")
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        mounted.append(folder)

        def fill() -> Path:
            filler = folder / ".filler"
            with filler.open("wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass
            return filler

        return fill

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
