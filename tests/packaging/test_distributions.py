"""What is handed on: the wheel and the sdist, what they hold and what they say of themselves."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = (".zip", ".dat", ".csv", ".gz", ".parquet", ".npz", ".npy", ".safetensors", ".gguf")
PACKAGES = ("fedrec", "clients", "server", "experiments")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist of this checkout."""
    pytest.importorskip("hatchling", reason="hatchling builds them")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist"]
    subprocess.run([*command, "-d", folder], cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def tracked(*folders: str) -> set[str]:
    """Files of git below folders, by their paths."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *folders], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


@pytest.mark.slow
def test_the_wheel_holds_the_packages_whole_and_the_licence(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == tracked(*PACKAGES)
    assert {"LICENSE", "METADATA", "RECORD"} <= {Path(name).name for name in names - inside}
    for needed in ("fedrec/py.typed", "fedrec/native/source/encoder.cpp"):
        assert needed in inside
    assert built[0].stat().st_size < 2_000_000


@pytest.mark.slow
def test_the_sdist_holds_sources_tests_and_licence_and_no_data(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = tracked(*PACKAGES, "tests", "docs", "examples", "scripts")
    assert wanted <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "constraints.txt", "pyproject.toml"} <= names
    assert {name for name in names - wanted if "/" in name} == set()
    assert [name for name in names if name.lower().endswith(DATA)] == []
    assert built[1].stat().st_size < 4_000_000


@pytest.mark.slow
def test_a_wheel_made_of_the_sdist_is_the_same(built, tmp_path):
    with tarfile.open(built[1]) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "out"]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (again,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(built[0]) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {
            i.filename: i.CRC for i in other.infolist()
        }


@pytest.mark.slow
def test_the_metadata_names_every_extra_and_python(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (path,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
        about = message_from_bytes(wheel.read(path))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(about.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    minors = [c.rpartition(".")[2] for c in project["classifiers"] if "Python :: 3." in c]
    assert minors == ["11", "12", "13", "14"]
    assert (about["License-Expression"], about["Requires-Python"]) == ("Apache-2.0", ">=3.11")


def test_what_constraints_pin_is_what_the_project_allows():
    from packaging.requirements import Requirement

    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, _, version = line.partition("==")
            pins[name] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["dev"]
    asked += project["optional-dependencies"]["docs"]
    unfit = [
        one
        for one in map(Requirement, asked)
        if not one.specifier.contains(pins.get(one.name, "0"), prereleases=True)
    ]
    assert unfit == []
