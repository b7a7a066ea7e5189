"""The package as its users meet it: what it exports, what it imports, what its types are."""

import ast
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pandas
import pytest

import fedrec
import fedrec.testing
from fedrec.version import __version__

ROOT = Path(__file__).parent.parent


def names_of_stub(path: Path) -> list[str]:
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            assert all(alias.asname == alias.name for alias in node.names)  # or mypy hides it
            found += [f"{node.module}:{alias.name}" for alias in node.names]
    return sorted(found)


@pytest.mark.parametrize("package", [fedrec, fedrec.testing])
def test_the_stub_names_what_the_package_gives(package):
    homes = {f"{home}:{name}" for name, home in package._HOMES.items()}
    homes |= {"fedrec.version:__version__"} if package is fedrec else set()
    stub = Path(package.__file__).with_suffix(".pyi")
    assert names_of_stub(stub) == sorted(homes)
    assert sorted(package.__all__) == sorted(home.rpartition(":")[2] for home in homes)
    text = stub.read_text(encoding="utf-8")
    listed = ast.literal_eval(text[text.index("__all__ = ") + len("__all__ = ") :])
    assert sorted(listed) == sorted(package.__all__)


@pytest.mark.parametrize("package", [fedrec, fedrec.testing])
def test_every_name_can_be_had_and_is_listed(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is getattr(package, name)
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'no'"):
        _ = package.no


def test_importing_the_package_imports_next_to_nothing():
    code = (
        "import sys; before = set(sys.modules); "
        "import fedrec, fedrec.data, fedrec.models, fedrec.training, fedrec.testing; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    outside = set(ran.stdout.split()) - sys.stdlib_module_names
    assert outside == {"fedrec"}


def test_the_version_stands_in_one_file_and_flower_reads_the_same():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert project["version"] == __version__ == fedrec.__version__


def test_the_first_lines_of_the_package_run(tmp_path, monkeypatch):
    """As written in the docstring, on smaller data."""
    block = (fedrec.__doc__ or "").split("::\n\n")[1].split("\n\nThe same")[0]
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    assert len(lines) <= 6
    assert lines[1] == 'dataset = fedrec.Dataset.load("ml-1m", source="ml-1m.zip")'
    lines[1] = 'dataset = fedrec.Dataset.load("synthetic:users=40,items=60")'
    lines[2] = lines[2].replace("epochs=20", "epochs=1, width=8, hidden=8, loss='softmax'")
    lines[4] = lines[4].replace('["1", "2"]', "dataset.user_ids[:2]")
    shown = []
    monkeypatch.setattr("fedrec.estimator.fitting.usual_threads", lambda: 1)
    exec("\n".join(lines).replace("print(", "show("), {"show": shown.append})
    metrics, table = shown
    assert isinstance(metrics, pandas.DataFrame)
    assert "NDCG@10" in metrics.index
    assert len(table) == 20


USER_PROJECT = """
import pandas as pd

import fedrec
from fedrec.testing import check_loss, check_model

dataset = fedrec.Dataset.from_frame(pd.DataFrame())
model = fedrec.SASRec(width=32, epochs=3).fit(dataset)
table: pd.DataFrame = model.recommend(["1"], k=3)
metrics: pd.DataFrame = fedrec.evaluate(model.scorer, dataset, stage="validation")
run = fedrec.simulate({"federation.rounds": 1}, data=dataset, model="sasrec")
status: str = run.status
again: fedrec.Hybrid = fedrec.Hybrid.load("folder")
reveal_type(fedrec.open_recommender(run))
check_model("sasrec")
fedrec.SASRec(widht=32)
fedrec.simulate(rounds=3)
"""


@pytest.mark.slow
def test_a_user_project_is_type_checked_against_the_installed_wheel(tmp_path):
    hatchling = pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    assert hatchling is not None
    here = [sys.executable, "-m"]
    subprocess.run(
        [*here, "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True
    )
    (wheel,) = tmp_path.glob("fedrec-*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    install = ["pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run([*here, *install], check=True)
    # The other packages of this environment, but not the checkout: .pth files are not followed.
    (site / "others.pth").write_text(str(Path(pandas.__file__).parents[1]))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "mine.py").write_text(USER_PROJECT)
    options = ["--strict", "--python-executable", python, "--cache-dir", tmp_path / "cache"]
    ran = subprocess.run(
        [*here, "mypy", *options, "mine.py"],
        cwd=tmp_path / "project",
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in ran.stdout.splitlines() if line.startswith("mine.py")]
    lines = [line for line in lines if "defined in" not in line]
    assert len(lines) == 3, ran.stdout + ran.stderr
    assert 'Revealed type is "fedrec.inference.recommender.ReadyRecommender"' in lines[0]
    assert 'Unexpected keyword argument "widht"' in lines[1]
    assert 'Unexpected keyword argument "rounds" for "simulate"' in lines[2]
    code = f"import fedrec; assert fedrec.__file__.startswith({str(site)!r}); fedrec.simulate"
    subprocess.run([python, "-c", code], cwd=tmp_path, env={"PATH": ""}, check=True)
