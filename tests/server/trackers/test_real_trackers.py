"""The trackers' own packages: what was written is read back by them, after a resume too."""

import importlib

import pytest

from fedrec.config.keys import config_hash
from fedrec.runs.record import read_run
from server.trackers.mlflow import plain_name

pytestmark = pytest.mark.slow
KEYS = {"federation.rounds": 3, "run.checkpoint-every": 1}
LARGE = "is an extra outside `dev` (over 60 MB); run with it on PYTHONPATH"


def run_in_two_parts(name, small_config, run_inline, folder):
    """A run that is interrupted after its first round and resumed, as `fedrec resume` does."""

    def stop(line):
        if line["round"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_inline(small_config(KEYS | {"run.trackers": name}), folder, on_round=stop)
    return read_run(run_inline(small_config(KEYS | {"run.resume": True}), folder))


def curve(run):
    return {line["round"]: line["validation"]["NDCG@10"] for line in run.history}


@pytest.fixture
def run_of(small_config, run_inline, tmp_path, monkeypatch):
    """A run with its report, told to one tracker, with the same weights as without."""
    for module in ("server.run", "server.checkpoints.resume"):
        write = lambda path: (path / "report.html").write_text("<p>page</p>")  # noqa: E731
        monkeypatch.setattr(f"{module}.write_report", write)

    def make(name):
        run = run_in_two_parts(name, small_config, run_inline, tmp_path / "run")
        plain = run_inline(small_config(KEYS), tmp_path / "plain")
        weights = [(one / "model.safetensors").read_bytes() for one in (run.folder, plain)]
        assert weights[0] == weights[1]
        assert not (run.folder / "log.txt").read_text().count("tracker")
        return run

    return make


def test_tensorboard_reads_the_curves(run_of):
    pytest.importorskip("tensorboard")
    accumulators = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    run = run_of("tensorboard")
    found = accumulators.EventAccumulator(str(run.folder / "tensorboard")).Reload()
    told = {one.step: one.value for one in found.Scalars("validation/NDCG@10")}
    assert told == pytest.approx(curve(run))
    (test,) = found.Scalars("test/NDCG@10")
    assert (test.step, test.value) == (3, pytest.approx(run.metrics["test"]["NDCG@10"]["value"]))
    (config, *_) = found.Tensors("config/text_summary")
    assert b"federation.rounds | `3`" in config.tensor_proto.string_val[0]


@pytest.mark.filterwarnings("ignore:.*noload")  # MLflow with SQLAlchemy 2.1
def test_mlflow_reads_the_curves_from_its_file(run_of, fedrec_home):
    mlflow = pytest.importorskip("mlflow", reason=f"mlflow {LARGE}")
    run = run_of("mlflow")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{fedrec_home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("fedrec")
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    assert found.data.params["federation.rounds"] == "3"
    history = client.get_metric_history(found.info.run_id, "validation/NDCG_at_10")
    assert {one.step: one.value for one in history} == curve(run)
    test = found.data.metrics["test/NDCG_at_10"]
    assert test == run.metrics["test"]["NDCG@10"]["value"]
    assert [one.path for one in client.list_artifacts(found.info.run_id)] == ["report.html"]


def test_wandb_keeps_the_curves_offline(run_of, fedrec_home, monkeypatch):
    pytest.importorskip("wandb", reason=f"wandb {LARGE}")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = run_of("wandb")
    folders = sorted((fedrec_home / "wandb").glob("offline-run-*"))
    assert len({one.name.rpartition("-")[2] for one in folders}) == 1  # one run, in two parts
    history, summary, files = {}, {}, []
    for folder in folders:
        for record in records(next(folder.glob("*.wandb"))):
            items = {i.key or "/".join(i.nested_key): i.value_json for i in record.history.item}
            if "validation/NDCG@10" in items:
                history[int(items["_step"])] = float(items["validation/NDCG@10"])
            for item in record.summary.update:
                summary[item.key or "/".join(item.nested_key)] = item.value_json
        files += [path.name for path in folder.rglob("report.html")]
    assert history == pytest.approx(curve(run))
    assert float(summary["test/NDCG@10"]) == run.metrics["test"]["NDCG@10"]["value"]
    assert files == ["report.html"]


def records(path):
    """Records of an offline run, which lie in pieces in blocks of 32 KiB as in LevelDB's log."""
    messages = importlib.import_module("wandb.proto.wandb_internal_pb2")
    data, place, pieces = path.read_bytes(), 7, b""  # after the name of the format
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # no room for another header
            place += 32768 - place % 32768
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        pieces += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            record = messages.Record()
            record.ParseFromString(pieces)
            yield record
            pieces = b""


def test_a_tracker_is_no_part_of_what_is_computed(small_config):
    assert config_hash(small_config({"run.trackers": "wandb"})) == config_hash(small_config())


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("validation/NDCG@10", "validation/NDCG_at_10"),
        ("HR@10 (99 sampled)", "HR_at_10 _99 sampled_"),
    ],
)
def test_a_metric_has_a_name_that_mlflow_takes(name, plain):
    assert plain_name(name) == plain
