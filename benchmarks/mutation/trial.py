"""One mutant in a copy of the tree: the tests most likely to see it, or all of them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.mutation.draw import PACKAGES, Drawn

COPIED = (*PACKAGES, "tests", "benchmarks", "examples", "docs")
FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s\[:]+(?:::\w+)?)", re.MULTILINE)
TESTS_FAILED, INTERRUPTED, NO_TESTS = 1, 2, 5  # exit codes of pytest
PATIENCE = 1800.0  # seconds; a loop that never ends counts as seen


class BrokenRunError(Exception):
    """The tests could not be run, which says nothing about the mutant."""


def copy_tree(root: Path, to: Path) -> None:
    """Copy what the tests read: the packages, the tests and the files beside them."""
    to.mkdir(parents=True)
    for entry in root.iterdir():
        if entry.is_file():
            shutil.copy2(entry, to)
        elif entry.name in COPIED:
            leave = shutil.ignore_patterns("__pycache__")
            shutil.copytree(entry, to / entry.name, ignore=leave)


def seen_by(copy: Path, drawn: Drawn, workers: int, *, likely: bool) -> str:
    """The first test that a mutant fails; "" if it passes them all. The copy is as before after.

    Args:
        copy: Folder of the copied tree.
        drawn: Mutant to try.
        workers: Processes that run the tests.
        likely: Run the tests that are likely to see it, not all.

    Raises:
        BrokenRunError: Pytest ended in another way than tests do.
    """
    path = copy / drawn.path
    original = path.read_text()
    path.write_text(drawn.mutant.source)
    try:
        tests = likely_tests(copy, drawn.path) if likely else ["tests"]
        return first_failure(copy, tests, workers) if tests else ""
    finally:
        path.write_text(original)


def likely_tests(copy: Path, path: str) -> list[str]:
    """Test files of the mirrored folder or that import the module, the likeliest first."""
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    package, _, name = module.rpartition(".")
    imported = re.compile(
        rf"^\s*(?:from {re.escape(module)} import|import {re.escape(module)}\b"
        rf"|from {re.escape(package or module)} import .*\b{name}\b)",
        re.MULTILINE,
    )
    mirrored = Path("tests", *Path(path).parts[1 if path.startswith("fedrec") else 0 : -1])
    found = []
    for file in sorted((copy / "tests").rglob("test_*.py")):
        test = file.relative_to(copy)
        is_near = test.parent == mirrored != Path("tests")
        if (does_import := bool(imported.search(file.read_text()))) or is_near:
            order = (not is_near, not test.stem.startswith(f"test_{name}"), not does_import)
            found.append((order, test.as_posix()))
    return [test for _, test in sorted(found)]


def first_failure(copy: Path, tests: list[str], workers: int) -> str:
    """Run tests of the default tier up to the first that fails; return its name, or ""."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-x", "-n", str(workers), "-rfE", "--tb=no"),
        *("-p", "no:cacheprovider", *tests),
    ]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return "the tests do not end"
    if done.returncode in (0, NO_TESTS):
        return ""
    if failed := FAILED.search(done.stdout):
        return failed[1]
    if done.returncode in (TESTS_FAILED, INTERRUPTED):
        return "the tests cannot be collected"
    raise BrokenRunError(f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
