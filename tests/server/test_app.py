"""The ServerApp that `flwr run` starts: what it refuses, runs, prints and puts on record."""

import json

import pytest
from flwr.app import Context, RecordDict

import clients.app
import server.app
import server.run
from fedrec.config.keys import flatten, read_config
from fedrec.config.values.choices import DATASETS
from fedrec.errors import ConfigError
from server.engines.inline import InlineGrid


def context_of(values):
    """The ServerApp's context, as the service makes it of the app's config."""
    return Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config=values)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """``started(values)`` calls the ServerApp; returns the config that a run would begin with."""
    configs = []

    def begin(grid, config, **keywords):
        configs.append(config)
        raise InterruptedError("the run begins")

    def start(values):
        changes = {"run.dir": str(tmp_path / "run")} | values
        with pytest.raises(InterruptedError, match="the run begins"):
            server.app.app(None, context_of(flatten(read_config(changes))))
        return configs[-1]

    monkeypatch.setattr(server.app, "run_server", begin)
    return start


@pytest.mark.parametrize(
    ("key", "given", "named"),
    [
        ("run.dir", "runs/mine", "runs/mine"),
        ("run.replay", "runs/mine", "runs/mine"),
        ("data.items", "items.csv", "items.csv"),
        ("data.source", "events.csv", "events.csv"),
        ("data.source", "./ml-1m", "./ml-1m"),  # a folder, not the data set of that name
        ("data.source", "ml-1m + events.csv", "events.csv"),
        ("data.source", "events.csv + /data/more.csv", "events.csv"),
        ("evaluation.ncf-negatives", "ml-1m.test.negative", "ml-1m.test.negative"),
        ("semantics.encoder", "./encoder", "./encoder"),
        ("semantics.encoder", "../encoder", "../encoder"),
    ],
)
def test_a_relative_path_is_refused_before_the_run_begins(key, given, named):
    values = flatten(read_config({key: given}))
    with pytest.raises(ConfigError) as caught:
        server.app.app(None, context_of(values))
    assert str(caught.value) == (f"{key} must be an absolute path under `flwr run`, got {named!r}")


@pytest.mark.parametrize(
    "values",
    [
        *({"data.source": name} for name in DATASETS),
        {"data.source": "synthetic:users=60,items=60"},
        {"data.source": "my.package:events"},
        {"data.source": "/data/events.csv"},
        {"data.source": "ml-1m + /data/events.csv + my.package:events"},
        {"data.items": "/data/items.csv"},
        {"evaluation.ncf-negatives": "/data/ml-1m.test.negative"},
        {"run.replay": "/runs/mine"},
        {"semantics.encoder": "minilm"},
        {"semantics.encoder": "hashed"},
        {"semantics.encoder": "sentence-transformers/all-MiniLM-L6-v2"},
        {"semantics.encoder": "my.package:Encoder"},
        {"semantics.encoder": "/models/encoder"},
    ],
    ids=lambda values: "{}={}".format(*next(iter(values.items()))),
)
def test_names_import_strings_and_absolute_paths_begin_a_run_as_they_are(started, values):
    config = flatten(started(values))
    assert {key: config[key] for key in values} == values


def test_a_run_through_the_server_app_is_the_inline_run_with_its_table_and_its_path(
    small_home, small_config, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(server.run, "write_report", lambda path: None)  # drawn elsewhere
    monkeypatch.delenv("FEDREC_COMMAND", raising=False)
    folder = tmp_path / "run"
    config = small_config({"run.dir": str(folder), "federation.rounds": 1})
    values = flatten(config)
    server.app.app(InlineGrid(clients.app.app, 3, values), context_of(values))

    about = json.loads((folder / "run.json").read_text())
    assert (about["status"], about["engine"]) == ("done", "flower")
    assert about["command"] == (
        f"flwr run . --stream -c {folder}/config.toml --federation-config "
        '"num-supernodes=3 client-resources-num-cpus=1"'
    )
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines() if line.strip()]
    header, before, first, *_ = lines[lines.index(next(x for x in lines if x[0] == "round")) :]
    assert header[:3] == ["round", "clients", "train"]
    assert (before[0], first[0]) == ("0", "1")
    assert "3/3" in first
    tested = json.loads((folder / "metrics.json").read_text())["test"]["NDCG@10"]["value"]
    assert next(line for line in lines if line[0] == "NDCG@10")[1] == f"{tested:.4f}"
    assert printed.endswith(f"report: {folder}/report.html\n")


def test_the_command_of_fedrec_run_repeats_a_run_that_it_started(monkeypatch, small_config):
    monkeypatch.setenv("FEDREC_COMMAND", "fedrec run ml-1m --engine flower")
    assert server.app._flower_command(small_config()) == "fedrec run ml-1m --engine flower"
    monkeypatch.setenv("FEDREC_COMMAND", "")
    assert server.app._flower_command(small_config({"run.dir": "/runs/mine"})).startswith(
        "flwr run . --stream -c /runs/mine/config.toml "
    )
