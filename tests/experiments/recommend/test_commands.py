"""`fedrec recommend`, `similar`: titles, shares of views, all users, folders without their data."""

import csv
import json
import shutil

import pytest
from rich.console import Console
from typer.testing import CliRunner

import fedrec
from experiments.cli.main import app
from fedrec.errors import DataError


@pytest.fixture
def folder(run_once, small_config):
    """A run, which no test here changes."""
    return run_once(small_config())


@pytest.fixture
def ready(folder):
    """Its recommender."""
    return fedrec.open_recommender(folder)


def called(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_history_of_titles_and_one_of_ids_give_the_same_list(folder, ready):
    ids = ready.catalog.item_ids[3:5]
    titles = "|".join(ready.catalog.titles[3:5])
    by_title = json.loads(called("recommend", folder, "--history", titles, "--json").stdout)
    by_id = json.loads(called("recommend", folder, "--history", ",".join(ids), "--json").stdout)
    assert by_title == by_id
    assert not set(ids) & {one["item"] for one in by_id["recommendations"]}
    first = by_id["recommendations"][0]
    assert first["views"] == ready.item_views(first["item"])
    assert sum(first["views"].values()) == pytest.approx(1)


def test_shares_of_the_views_stand_beside_each_title(folder, ready, monkeypatch):
    monkeypatch.setattr("experiments.cli.models.terminal", lambda: Console(width=80))
    shown = called("recommend", folder, "--history", ready.catalog.item_ids[3], "-k", "2").stdout
    assert "Shares of the views in percent: identity/semantic/content." in shown
    shares = ready.item_views(ready.recommend([ready.catalog.item_ids[3]], 1)[0].item)
    row = next(line.split() for line in shown.splitlines() if line.split()[:1] == ["1"])
    assert row[-1] == "/".join(f"{100 * share:.0f}" for share in shares.values())
    assert max(map(len, shown.splitlines())) <= 80


def test_similar_items_are_found_by_id_or_title(folder, ready):
    item, title = ready.catalog.item_ids[6], ready.catalog.titles[6]
    found = json.loads(called("similar", folder, title, "-k", "4", "--json").stdout)
    assert found["item"] == item
    assert [one["item"] for one in found["nearest"]] == [one.item for one in ready.nearest(item, 4)]
    assert f"nearest to {title}" in called("similar", folder, item).stdout
    refused = called("similar", folder, "No Such Thing At All")
    assert refused.exit_code == 4
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_all_users_get_the_lists_that_each_alone_gets(folder, ready, tmp_path, suffix):
    path = tmp_path / f"lists.{suffix}"
    done = called("recommend", folder, "--all-users", path, "-k", "3")
    assert done.exit_code == 0, done.output
    if suffix == "csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        pandas = pytest.importorskip("pandas")
        rows = pandas.read_parquet(path).to_dict("records")
    assert len(rows) == 3 * len(ready.dataset.user_ids)
    user = ready.dataset.user_ids[5]
    found = [(row["item"], row["title"]) for row in rows if row["user"] == user]
    assert found == [(one.item, one.title) for one in ready.recommend(user, 3)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--all-users", "x.xls"], "must end in .csv or .parquet"),
        (["--all-users", "no/such/x.csv"], "there is no folder"),
        (["--all-users", "x.csv", "--user", "u1"], "goes with -k and --trust alone"),
        (["--all-users", "x.csv", "-k", "0"], "-k must be 1 or more"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(folder, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = called("recommend", folder, *words)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert list(tmp_path.glob("*.*")) == []


def test_a_run_folder_recommends_without_its_data(folder, ready, tmp_path, monkeypatch):
    moved = shutil.copytree(folder, tmp_path / "moved")
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "nothing"))
    monkeypatch.setattr("fedrec.inference.opening.open_prepared", _gone)
    history = ready.catalog.item_ids[3:6]
    there = fedrec.open_recommender(moved)
    assert there.recommend(history, 8) == ready.recommend(history, 8)
    with pytest.raises(DataError, match="is not here: no such file; give a his"):
        there.recommend(ready.dataset.user_ids[0])
    done = called("recommend", moved, "--all-users", tmp_path / "x.csv")
    assert "the users are not known here" in done.stderr
    (moved / "frozen.safetensors").unlink()
    with pytest.raises(DataError, match="no such file"):
        fedrec.open_recommender(moved)


def _gone(config):
    raise DataError("no such file")
