"""What a whole run leaves behind, and when it refuses to begin or gives up."""

import csv
import json
import tomllib

import numpy as np
import pytest
from safetensors.numpy import load_file

import server.run
from clients.app import app
from fedrec.config.keys import config_hash, flat_tables, read_config
from fedrec.evaluation.metrics import summary
from fedrec.runs.record import read_run
from server.engines.inline import InlineGrid

FILES = {
    "run.json",
    "config.toml",
    "rounds.jsonl",
    "users.csv",
    "items.csv",
    "ranks.npz",
    "metrics.json",
    "model.safetensors",
    "items.json",
    "frozen.safetensors",
    "log.txt",
}


def lines_of(folder):
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


def read(folder, name):
    return json.loads((folder / name).read_text())


def test_a_run_leaves_every_file_and_all_of_them_agree(run_inline, small_config, small_home):
    seen = []
    config = small_config(
        {"evaluation.protocol": "full,uniform-99"}
        | {"data.source": "synthetic:users=60,items=200", "data.min-item-events": 1}
        | {"run.checkpoint-every": 1}
    )
    folder = run_inline(config, on_round=seen.append)
    assert folder == small_home / "runs" / "small"
    assert {path.name for path in folder.iterdir()} == FILES | {"checkpoints"}

    about, metrics, lines = read(folder, "run.json"), read(folder, "metrics.json"), lines_of(folder)
    assert (about["status"], about["exit_code"], about["engine"]) == ("done", 0, "inline")
    assert about["config_hash"] == config_hash(config)
    assert sum(one["users"] for one in about["partitions"]) == about["data"]["users"] == 60

    # config.toml repeats the run
    again = read_config(flat_tables(tomllib.loads((folder / "config.toml").read_text())))
    assert config_hash(again) == about["config_hash"]

    # rounds.jsonl: round 0 and two rounds, as on_round was told
    assert [line["round"] for line in lines] == [0, 1, 2]
    assert [line["validation"] for line in seen] == [line["validation"] for line in lines]
    assert lines[0]["train_loss"] is None
    assert lines[2]["passes"] == pytest.approx(2.0)
    assert lines[1]["elapsed"] < lines[2]["elapsed"]
    # Two rounds of three clients, down as much as up but for the frequencies that go down.
    assert lines[1]["bytes_down"] > lines[1]["bytes_up"] > 0
    travelled = sum(line["bytes_down"] + line["bytes_up"] for line in lines)
    assert lines[2]["megabytes"] == pytest.approx(travelled / 1e6)

    # ranks.npz holds what every metric can be recomputed from
    ranks = np.load(folder / "ranks.npz")
    assert set(ranks.files) == {
        "user",
        "target",
        "rank_full",
        "rank_uniform-99",
        "validation_rank_full",
        "validation_rank_uniform-99",
    }
    with (folder / "users.csv").open(newline="") as file:
        users = list(csv.DictReader(file))
    assert [int(row["user"]) for row in users] == ranks["user"].tolist() == list(range(60))
    assert [float(row["rank"]) for row in users] == ranks["rank_full"].tolist()
    assert [int(row["target"]) for row in users] == ranks["target"].tolist()
    assert len({row["original_id"] for row in users}) == 60
    at = config.evaluation.cutoffs
    with (folder / "items.csv").open(newline="") as file:
        items = list(csv.DictReader(file))
    # No item comes twice in these data: all but the history are candidates.
    candidates = np.array([len(items) - int(row["events"]) + 1 for row in users])
    for stage, key in (("test", "rank_full"), ("validation", "validation_rank_full")):
        sizes = candidates + (stage == "validation")
        recomputed = summary(ranks[key], sizes, at)
        stored = {name: cell["value"] for name, cell in metrics[stage].items()}
        assert stored == pytest.approx(recomputed)
    mean = np.mean([float(row["NDCG@10"]) for row in users])
    assert metrics["test"]["NDCG@10"]["value"] == pytest.approx(mean)
    other = metrics["other_protocols"]["uniform-99"]["test"]
    assert other["HR@10"]["value"] == pytest.approx(np.mean(ranks["rank_uniform-99"] <= 10))
    best = lines[metrics["best_round"]]["validation"]
    assert metrics["validation"]["NDCG@10"]["value"] == pytest.approx(best["NDCG@10"])

    # items.csv counts training events only: all events but two of every user
    events = sum(int(row["events"]) for row in users)
    assert sum(int(row["training_events"]) for row in items) == events - 2 * 60

    assert set(metrics["baselines"]) == {"popularity", "oracle"}
    gates = metrics["gates"]
    assert gates.pop("views") == ["identity", "semantic", "content"]
    positions = sum(min(int(row["events"]) - 1, 12) for row in users)  # of model.max-length
    for rows in (gates["position"], gates["item popularity"], gates["history length"]):
        assert sum(row["positions"] for row in rows) == positions
        assert all(sum(row["weights"]) == pytest.approx(1) for row in rows)
    catalogue = gates["item popularity, whole catalogue"]
    assert sum(row["items"] for row in catalogue) == about["data"]["items"]
    assert sum(one["users"] for one in metrics["clients"]) == 60
    read_run(folder)  # and the report reads it


def test_the_model_kept_is_the_best_rounds(run_inline, small_config):
    changes = {"federation.rounds": 6, "local.learning-rate": 0.05, "run.checkpoint-every": 1}
    kept = {}

    def note(line):
        if line["round"] and line["best"]:
            path = folder_of["path"] / "checkpoints" / f"round-{line['round']:05d}"
            kept[line["round"]] = load_file(path / "weights.safetensors")

    from fedrec.files.home import home

    folder_of = {"path": home() / "runs" / "small"}
    folder = run_inline(small_config(changes), on_round=note)
    lines = lines_of(folder)
    values = [line["validation"]["NDCG@10"] for line in lines]
    best = int(np.argmax(values))  # the first of equals
    about, metrics = read(folder, "run.json"), read(folder, "metrics.json")
    assert about["best_round"] == metrics["best_round"] == best > 0
    assert [line["best"] for line in lines] == [
        value > max(values[:number], default=-1) for number, value in enumerate(values)
    ]
    model = load_file(folder / "model.safetensors")
    assert model.keys() == kept[best].keys()
    for name, array in model.items():
        np.testing.assert_array_equal(array, kept[best][name].astype(np.float32))
    # The last two checkpoints are kept.
    checkpoints = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert checkpoints == ["round-00005", "round-00006"]


def test_a_run_stops_when_validation_stops_getting_better(run_inline, small_config):
    changes = {
        "federation.rounds": 30,
        "federation.patience": 2,
        "local.learning-rate": 1e-9,  # nothing moves, so nothing gets better
        "local.optimizer": "sgd",
    }
    lines = lines_of(run_inline(small_config(changes)))
    assert [line["round"] for line in lines] == [0, 1, 2]
    assert [line["best"] for line in lines] == [True, False, False]


def test_validation_runs_every_few_rounds_and_at_the_end(run_inline, small_config):
    changes = {"federation.rounds": 3, "federation.evaluate-every": 2}
    lines = lines_of(run_inline(small_config(changes)))
    assert [line["validation"] is not None for line in lines] == [True, False, True, True]


def test_a_fraction_of_the_clients_takes_part(run_inline, small_config):
    changes = {"partition.count": 6, "federation.fraction": 0.5, "federation.rounds": 3}
    lines = lines_of(run_inline(small_config(changes)))[1:]
    assert all(
        len(line["sampled"]) == 3 and line["aggregated"] == line["sampled"] for line in lines
    )
    assert len({tuple(line["sampled"]) for line in lines}) > 1


def test_nothing_of_a_client_is_left_when_a_run_is_over(run_inline, small_config, small_home):
    run_inline(small_config({"model.private": "gate-bias"}))
    assert list((small_home / "clients").iterdir()) == []


def test_private_parameters_give_every_user_a_personal_rank(run_inline, small_config):
    changes = {"model.private": "gate-bias", "local.learning-rate": 0.05}
    folder = run_inline(small_config(changes))
    with (folder / "users.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row["personal_rank"]) >= 1 for row in rows)
    assert any(row["personal_rank"] != row["rank"] for row in rows)
    assert "gate.bias" not in load_file(folder / "model.safetensors")


def test_a_parameter_that_is_a_single_number_travels_as_one(
    run_inline, small_config, tmp_path, monkeypatch
):
    (tmp_path / "warm_models.py").write_text(
        "import torch\n"
        "from fedrec.models.sasrec import SASRec\n"
        "class Warm(SASRec):\n"
        "    def __init__(self, rows, encoder):\n"
        "        super().__init__(rows, encoder)\n"
        "        self.heat = torch.nn.Parameter(torch.tensor(1.0))\n"
        "    def output_vectors(self, table):\n"
        "        return super().output_vectors(table) * self.heat\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folder = run_inline(small_config({"model.name": "warm_models:Warm"}))
    assert read(folder, "run.json")["status"] == "done"
    heat = load_file(folder / "model.safetensors")["heat"]
    assert heat.shape == ()


def test_without_shared_counts_there_is_no_popularity(run_inline, small_config):
    folder = run_inline(small_config({"federation.share-counts": False}))
    metrics = read(folder, "metrics.json")
    assert set(metrics["baselines"]) == {"oracle"}
    assert "item popularity" not in metrics["slices"]
    assert "training_events" not in (folder / "items.csv").read_text().splitlines()[0]
    # Nor does anybody say which item was held out.
    assert "target" not in (folder / "users.csv").read_text().splitlines()[0].split(",")
    with np.load(folder / "ranks.npz") as packed:
        assert "target" not in packed.files
        assert len(packed["rank_full"]) == 60


def test_popularity_trains_nothing(run_inline, small_config):
    folder = run_inline(small_config(), scorer="popularity")
    metrics = read(folder, "metrics.json")
    assert [line["round"] for line in lines_of(folder)] == [0]
    assert metrics["test"] == metrics["baselines"]["popularity"]["test"]


@pytest.mark.slow
def test_the_report_is_drawn_at_the_end(small_home, small_config):
    from fedrec.config.keys import flatten

    config = small_config()
    folder = server.run.run_server(
        InlineGrid(app, 3, flatten(config)), config, engine="inline", command="test"
    )
    assert (folder / "report.html").stat().st_size > 10_000
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".svg"}
