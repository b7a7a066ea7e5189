"""A notebook sees a bar of rounds; a script sees nothing, and an own callback wins."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest

import fedrec
from experiments.notebook import is_notebook
from tests.experiments.small_runs import SMALL


def in_shell(config):
    """An IPython whose shell has such a config."""
    return SimpleNamespace(get_ipython=lambda: SimpleNamespace(config=config))


def test_only_a_kernel_is_a_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", in_shell({"TerminalIPythonApp": {}}))
    assert not is_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not is_notebook()
    monkeypatch.setitem(sys.modules, "IPython", in_shell({"IPKernelApp": {}}))
    assert is_notebook()


def test_a_notebook_shows_a_bar_of_rounds(tmp_path, monkeypatch, capsys, undrawn):
    fedrec.simulate(SMALL, out=tmp_path / "script")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("experiments.notebook.is_notebook", lambda: True)
    monkeypatch.setattr("tqdm.auto.tqdm", __import__("tqdm").tqdm)  # as without ipywidgets
    fedrec.simulate(SMALL, out=tmp_path / "notebook")
    shown = capsys.readouterr().err
    assert "rounds: 100%" in shown
    assert "1/1" in shown
    assert "NDCG@10=0." in shown
    seen = []
    fedrec.simulate(SMALL, out=tmp_path / "own", on_round=seen.append)
    assert [line["round"] for line in seen] == [0, 1]
    assert capsys.readouterr().err == ""


CELLS = (
    "import fedrec\ndataset = fedrec.Dataset.load('synthetic:users=40,items=60')\ndataset",
    "run = fedrec.simulate({settings}, data=dataset)\nrun",
    "run.plot()",
    "run.rounds",
    "fedrec.SASRec(epochs=1)",
)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("nbclient") is None or importlib.util.find_spec("ipykernel") is None,
    reason="a notebook needs nbclient and ipykernel",
)
def test_a_notebook_runs_and_each_cell_shows_little(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    settings = {key: value for key, value in SMALL.items() if key != "data.source"}
    sources = [cell.replace("{settings}", repr(settings)) for cell in CELLS]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])
    NotebookClient(book, timeout=300, kernel_name="python3").execute()
    shown = [
        {kind: data for output in cell.outputs for kind, data in output.get("data", {}).items()}
        for cell in book.cells
    ]
    texts = [str(output.get("text/plain", "")) for output in shown]
    assert texts[0] == "<Dataset synthetic: 39 users, 45 items, 382 events>"
    assert texts[1].startswith("<Run synthetic-")
    assert max(len(texts[cell]) for cell in (0, 1, 4)) < 200
    assert [cell for cell, output in enumerate(shown) if "text/html" in output] == [0, 1, 3, 4]
    assert shown[2]["image/png"].startswith("iVBORw0KGgo")  # a PNG
    bar = str(book.cells[1].outputs)  # in words, or a widget where there are some
    assert "rounds: 100%" in bar or "application/vnd.jupyter.widget-view+json" in bar
