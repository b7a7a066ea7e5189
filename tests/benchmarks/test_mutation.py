"""The mutation sample: what is changed, which lines are drawn, which tests see it."""

import ast

import pytest

from benchmarks.mutation.__main__ import EQUIVALENTS, ROOT
from benchmarks.mutation.draw import draw
from benchmarks.mutation.mutants import mutants_of
from benchmarks.mutation.table import Outcome, markdown, read_equivalents
from benchmarks.mutation.trial import copy_tree, likely_tests, seen_by


def changes(code):
    return [(one.kind, one.before, one.after) for one in mutants_of(code)]


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        ("a < b", "comparison", "(a <= b)"),
        ("a >= b", "comparison", "(a > b)"),
        ("a is not b", "comparison", "(a is b)"),
        ("a in b", "comparison", "(a not in b)"),
        ("a and b", "boolean", "(a or b)"),
        ("not a", "boolean", "(a)"),
        ("a if b else c", "boolean", "(c if b else a)"),
        ("a + b", "arithmetic", "(a - b)"),
        ("a // b", "arithmetic", "(a / b)"),
        ("a | b", "arithmetic", "(a & b)"),
        ("a *= b", "arithmetic", "a /= b"),
        ("-a", "arithmetic", "(a)"),
        ("a = 3", "constant", "a = 4"),
        ("a = 0.5", "constant", "a = 1.0"),
        ("a = 0.0", "constant", "a = 1.0"),
        ("a = True", "constant", "a = False"),
        ("a = f(b, c)", "swapped arguments", "a = f(c, b)"),
        ("f(b)", "removed statement", "pass"),
        ("raise f", "removed statement", "pass"),
    ],
)
def test_one_node_gives_one_mutant(code, kind, expected):
    (mutant,) = mutants_of(code)
    assert (mutant.kind, mutant.source) == (kind, expected)


@pytest.mark.parametrize(
    "code",
    [
        "from a import b",
        "a = 'word'",
        "a = f'{b + 1}'",
        "def f(a: int | None) -> dict[str, int | 3]: ...",
        "isinstance(a, int | None) if 0 else 0",
        "def f():\n    return None",
        "f(*a, b) if b else b",
    ],
)
def test_words_types_and_imports_are_left_alone(code):
    allowed = {"constant", "boolean", "swapped arguments"}  # of the expression around
    assert {kind for kind, *_ in changes(code)} <= allowed
    assert not any("|" in before and len(before) < 15 for _, before, _ in changes(code))


def test_the_rest_of_the_file_stays_to_the_letter():
    code = 'x = "é", a  <  b  # comment\ndef f():\n    return (a,\n            b)\n'
    compared, returned = mutants_of(code)
    assert compared.source == code.replace("a  <  b", "(a <= b)")
    assert (returned.line, returned.kind) == (3, "return value")
    assert returned.source == code.replace("return (a,\n            b)", "return None")


def test_every_mutant_is_another_program():
    source = (ROOT / "benchmarks" / "mutation" / "mutants.py").read_text()
    original = ast.dump(ast.parse(source))
    assert all(ast.dump(ast.parse(one.source)) != original for one in mutants_of(source))


@pytest.fixture
def tree(tmp_path):
    """Two modules, one of them tested."""
    root = tmp_path / "root"
    for path, text in {
        "fedrec/__init__.py": "",
        "fedrec/data/__init__.py": "",
        "fedrec/data/sums.py": "def total(a, b):\n    return a + b\n",
        "fedrec/other.py": "LIMIT = 3\n",
        "tests/data/test_sums.py": "from fedrec.data.sums import total\n\n\n"
        "def test_total():\n    assert total(2, 3) == 5\n",
        "tests/test_other.py": "import fedrec.other\n\n\ndef test_limit():\n"
        "    assert fedrec.other.LIMIT\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_the_draw_is_of_lines_and_a_change_of_one_file_moves_no_other(tree):
    first = {one.key for one in draw(tree, lines=9, seed=0)}
    assert len(first) == 2  # one mutant for each of the two lines that have any
    (tree / "fedrec/data/sums.py").write_text("# comment\n\ndef total(a, b):\n    return a * b\n")
    second = {one.key for one in draw(tree, lines=9, seed=0)}
    assert "fedrec/other.py: LIMIT = 3 # constant: 3 -> 4" in first & second
    assert len(first & second) == 1


def test_tests_of_the_mirrored_folder_come_first_and_then_those_that_import_the_module(tree):
    for name, text in {"data/test_a.py": "", "test_z.py": "from fedrec.data import sums"}.items():
        (tree / "tests" / name).write_text(text)
    expected = ["tests/data/test_sums.py", "tests/data/test_a.py", "tests/test_z.py"]
    assert likely_tests(tree, "fedrec/data/sums.py") == expected
    assert likely_tests(tree, "fedrec/other.py") == ["tests/test_other.py"]


def test_a_mutant_is_killed_by_the_test_that_sees_it_and_the_copy_is_mended(tree, tmp_path):
    copy = tmp_path / "copy"
    copy_tree(tree, copy)
    sums = next(one for one in draw(tree, lines=2, seed=0) if "sums" in one.path)
    assert seen_by(copy, sums, workers=0, likely=True) == "tests/data/test_sums.py::test_total"
    assert (copy / sums.path).read_text() == (tree / sums.path).read_text()


def test_the_share_is_of_mutants_that_a_test_could_see(tree):
    sums, other = sorted(draw(tree, lines=2, seed=0), key=lambda one: one.path)
    text = markdown([Outcome(other, "", "nobody reads it"), Outcome(sums, "tests/t.py::test", "")])
    assert "| fedrec/other.py | 1 | constant | `3` to `4` | equivalent: nobody reads it |" in text
    assert "killed: `tests/t.py::test`" in text
    assert "1 of 1 mutants killed (100%); 1 more of 2 drawn are equivalent." in text
    assert "0 of 1 mutants killed (0%)" in markdown([Outcome(sums, "", "")])


def test_every_equivalent_gives_its_reason():
    for key, reason in read_equivalents(EQUIVALENTS).items():
        assert " -> " in key
        assert len(reason) > 20
