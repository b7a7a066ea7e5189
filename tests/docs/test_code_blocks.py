"""What the documentation tells a reader to type is typed here."""

import difflib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks_of, pages

DATA = Path(os.environ.get("FEDREC_DATA", "/nonexistent"))
PAGES = [
    page
    for page in pages()
    if any(b.language in ("bash", "python") and "not run" not in b.marks for b in blocks_of(page))
]


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty folder to work in, from which modules can be imported."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
    commands = tmp_path / "bin"  # the command of this very checkout, whatever is installed
    commands.mkdir()
    (commands / "fedrec").write_text(f'#!/bin/sh\nexec {sys.executable} -m experiments.cli "$@"\n')
    (commands / "fedrec").chmod(0o755)
    found = [str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(found))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("examples",):  # what a reader has in a clone
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    modules = set(sys.modules)
    yield folder
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(folder) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_tells_to_type_works(page, desk, capsys):
    names: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    for block in blocks_of(page):
        where = f"{block.page}:{block.line}"
        if "file" in block.marks:
            target = desk / block.marks["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif "output" in block.marks:
            assert missing(block.text, printed) == [], f"{where} is not what was printed"
        elif {"not run", "command"} & set(block.marks) or not has_what_it_needs(block):
            continue
        elif block.language == "python":
            capsys.readouterr()
            exec(compile(block.text, where, "exec"), names)
            printed = capsys.readouterr().out
        elif block.language == "bash":
            printed = typed(block, where)


def has_what_it_needs(block: Block) -> bool:
    """Whether the archive that a block needs is there; it is put where `data get` leaves it."""
    name = block.marks.get("needs")
    if name is None:
        return True
    archive = DATA / f"{name}.zip"
    if not archive.exists():
        return False
    target = Path(os.environ["FEDREC_HOME"]) / "downloads" / archive.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(archive, target)
    return True


def typed(block: Block, where: str) -> str:
    """What a shell block prints; it must end with success."""
    script = f"set -euo pipefail\n{block.text}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{where}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def missing(shown: str, printed: str) -> list[str]:
    """Lines that a page shows and that were not printed, numbers and spaces aside."""
    there = {masked(line) for line in printed.splitlines()}
    lines = [line for line in shown.splitlines() if line.strip() and line.strip() != "..."]
    return [line for line in lines if masked(line) not in there]


def masked(line: str) -> str:
    """A line without numbers, spaces and the folder worked in: they differ between machines."""
    return re.sub(r"[-+]?\.?\d[\d.,e-]*|\s", "", re.sub(r"/\S*/(?=runs/)", "", line))


def test_a_line_that_is_not_printed_is_named():
    assert missing("HR@10  0.25\nNDCG@10 0.1\n", "HR@10 0.31\n") == ["NDCG@10 0.1"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_of_a_page_can_be_read(page):
    for block in blocks_of(page):
        if block.language == "python":
            compile(block.text, f"{block.page}:{block.line}", "exec")


def test_every_block_that_is_not_run_says_why():
    silent = [
        f"{block.page}:{block.line}"
        for page in pages()
        for block in blocks_of(page)
        if "not run" in block.marks and len(block.marks["not run"]) < 8
    ]
    assert silent == []


def test_marks_are_known():
    known = ["not run", "output", "file", "needs", "command"]
    odd = [
        f"{block.page}:{block.line} {mark} ({difflib.get_close_matches(mark, known, 1)})"
        for page in pages()
        for block in blocks_of(page)
        for mark in block.marks
        if mark not in known
    ]
    assert odd == []
