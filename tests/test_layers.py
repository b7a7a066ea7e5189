"""The layout: imports one way and without circles, files and folders of a bounded size."""

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


def module_of(path: Path, root: Path) -> str:
    """Dotted name of a file."""
    return path.relative_to(root).with_suffix("").as_posix().replace("/", ".")


def import_graph(root: Path) -> dict[str, set[str]]:
    """Module -> modules that it imports anywhere, also inside functions and for types alone.

    The ``__init__`` of a package only hands on what its modules define: it is no node.
    """
    files = {
        module_of(path, root): path
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        graph[module] = found & files.keys()
    return graph


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Modules that are left when those that import nothing left are taken away, over and over."""
    left = dict(graph)
    while free := [module for module, imports in left.items() if not imports & left.keys()]:
        for module in free:
            del left[module]
    return sorted(left)


def test_no_circle_of_imports():
    assert circles(import_graph(ROOT)) == []


def test_a_circle_is_found(tmp_path):
    for name, text in {"a": "import fedrec.b", "b": "from fedrec import a", "c": ""}.items():
        (tmp_path / "fedrec").mkdir(exist_ok=True)
        (tmp_path / "fedrec" / f"{name}.py").write_text(text)
    assert circles(import_graph(tmp_path)) == ["fedrec.a", "fedrec.b"]


def folder_graph(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Folder -> other folders whose modules its own modules import."""

    def folder(module: str) -> str:
        return module.rpartition(".")[0]

    found: dict[str, set[str]] = {folder(module): set() for module in graph}
    for module, imports in graph.items():
        found[folder(module)] |= {folder(target) for target in imports} - {folder(module)}
    return found


def test_no_circle_between_folders():
    assert circles(folder_graph(import_graph(ROOT))) == []


def test_a_circle_between_folders_is_found(tmp_path):
    for name, text in {
        "fedrec/a/high": "def f():\n    from fedrec.b import middle",
        "fedrec/b/middle": "import fedrec.a.low",
        "fedrec/a/low": "import fedrec.c.leaf",
        "fedrec/c/leaf": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text(text)
    graph = import_graph(tmp_path)
    assert circles(graph) == []
    assert circles(folder_graph(graph)) == ["fedrec.a", "fedrec.b"]


SOURCES = (*PACKAGES, "benchmarks", "examples", "tests")


def test_no_file_is_longer_than_300_lines():
    long = {
        path.relative_to(ROOT).as_posix(): count
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}


def test_no_folder_holds_more_than_15_files():
    full = {
        folder.relative_to(ROOT).as_posix(): count
        for top in (*SOURCES, "docs")
        for folder in [ROOT / top, *(ROOT / top).rglob("*")]
        if folder.is_dir() and folder.name not in ("__pycache__", "_static")
        if (count := sum(path.is_file() for path in folder.iterdir())) > 15
    }
    assert full == {}
