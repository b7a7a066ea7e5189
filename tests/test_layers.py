"""experiments -> clients | server -> fedrec, and nothing the other way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("fedrec", "clients", "server", "experiments")
MAY_IMPORT = {
    "fedrec": {"fedrec"},
    "clients": {"clients", "fedrec"},
    "server": {"server", "fedrec"},
    "experiments": set(PACKAGES),
}
ENGINES = {"flwr", "ray"}
RECORDS = "fedrec/records.py"  # arrays in Flower's records: the format of messages


def imported(path: Path) -> list[tuple[str, int]]:
    """Top-level package and line of every import of a file, also those inside functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name.partition(".")[0], node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(((node.module or ".").partition(".")[0], node.lineno))
    return found


def faults(root: Path) -> list[str]:
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            for target, line in imported(path):
                engine = package == "fedrec" and target in ENGINES and name != RECORDS
                if engine or (target in PACKAGES and target not in MAY_IMPORT[package]):
                    found.append(f"{name}:{line} imports {target}")
    return found


def test_imports_point_one_way():
    assert faults(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("server/x.py", "from clients.app import app", "server/x.py:1 imports clients"),
        ("clients/x.py", "import server.app", "clients/x.py:1 imports server"),
        ("fedrec/data/x.py", "import flwr", "fedrec/data/x.py:1 imports flwr"),
        ("fedrec/x.py", "def f():\n    import experiments", "fedrec/x.py:2 imports experiments"),
    ],
)
def test_an_import_against_the_direction_is_named(tmp_path, file, line, message):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(line)
    assert faults(tmp_path) == [message]


def test_every_relative_import_is_spelled_out():
    relative = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "." in {name for name, _ in imported(path)}
    ]
    assert relative == []
