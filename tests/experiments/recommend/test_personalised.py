"""Lists by the private parameters that a run's clients kept, and why there are none elsewhere."""

import csv
import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.cli.main import app
from experiments.recommend.answer import recommend
from experiments.recommend.opened import open_run
from fedrec.errors import ConfigError
from fedrec.runs.record import load
from fedrec.runs.write import write_about

KEPT = {"run.keep-client-state": True, "run.checkpoint-every": 1}


def test_private_rows_give_the_very_ranks_that_the_run_has_measured(
    run_inline, small_config, fedrec_home
):
    folder = run_inline(small_config(KEPT | {"model.private": "identity"}))
    opened = open_run(folder)
    dataset = opened.shared.dataset
    with (folder / "users.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:12]
    for row in rows:
        user = row["original_id"]
        events = dataset.sequences.of(int(row["user"]))
        ids = [dataset.catalog.item_ids[item - 1] for item in events]
        own = opened.main(user)
        assert own.rank_of(ids[-1], ids[:-1]) == float(row["rank"])
    with pytest.raises(ConfigError, match="stays with each client: give --user"):
        recommend(opened, None, ["i1"], 3)
    shutil.rmtree(fedrec_home / "clients")
    with pytest.raises(ConfigError, match=r"private files are not here: .* is missing in"):
        recommend(open_run(folder), user, (), 3)


def test_a_private_gate_gives_a_list_beside_the_global_one(run_inline, small_config, tmp_path):
    folder = run_inline(small_config(KEPT | {"model.private": "gate-bias"}))
    opened = open_run(folder)
    user = opened.shared.dataset.user_ids[3]
    answer = recommend(opened, user, (), 5)
    assert answer["views"] != answer["personalised_views"]
    scores = [[one["score"] for one in answer[key]] for key in ("recommendations", "personalised")]
    assert not np.array_equal(*scores)
    assert "not_personalised" in recommend(opened, None, ["i1"], 5)
    shown = CliRunner().invoke(app, ["recommend", str(folder), "--user", user, "-k", "3"])
    assert "By the global model:" in shown.stdout
    assert "By the model of the user's client:" in shown.stdout
    path = tmp_path / "all.csv"
    written = CliRunner().invoke(
        app, ["recommend", str(folder), "--all-users", str(path), "-k", "5"]
    )
    assert written.exit_code == 0, written.output
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["user"] == user]
    for name, key in (("global", "recommendations"), ("personalised", "personalised")):
        found = [(row["item"], float(row["score"])) for row in rows if row["list"] == name]
        expected = [(one["item"], one["score"]) for one in answer[key]]
        assert [item for item, _ in found] == [item for item, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected])
    # Where the clients deleted theirs, the global list is left, and the reason.
    write_about(folder / "run.json", load(folder).about | {"client_state": "deleted"})
    done = CliRunner().invoke(app, ["recommend", str(folder), "--user", user, "-k", "5", "--json"])
    left = json.loads(done.stdout)
    assert left["recommendations"] == answer["recommendations"]
    assert left["personalised"] is None
    assert "deleted their private parameters" in left["not_personalised"]
