"""A run starts from given weights; afterwards it needs their file no more."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from experiments.engines.run import run
from experiments.reproducibility.verify import compare, verify
from experiments.resume import resume
from fedrec.config.keys import absolute_paths, read_config
from fedrec.errors import ConfigError, DataError, FedrecError
from fedrec.files.atomic import file_sha256
from fedrec.runs.record import read_about
from fedrec.runs.write import write_about

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def source(run_copy, small_config):
    """The folder of a complete run of two rounds."""
    return run_copy(small_config())


def start(config, folder, engine="inline", **changes):
    placed = read_config({"run.dir": str(folder), **changes}, config)
    return run(placed, engine=engine, command="test")


@pytest.fixture
def started(small_config, small_home, tmp_path):
    """``started(source)``: a run from the weights of a folder or file, with further keys."""

    def make(source, changes=None, name="started"):
        keys = {"run.start-from": str(source)} | (changes or {})
        return start(small_config(keys), tmp_path / name)

    return make


def test_round_0_is_the_evaluation_of_the_given_weights(source, started):
    folder = started(source)
    first = json.loads((folder / "rounds.jsonl").read_text().splitlines()[0])
    kept = json.loads((source / "metrics.json").read_text())["validation"]
    assert first["validation"]["NDCG@10"] == pytest.approx(kept["NDCG@10"]["value"], rel=1e-12)
    given = read_about(folder)["start_from"]
    assert given == {"source": str(source), "sha256": file_sha256(source / "model.safetensors")}


@pytest.mark.slow
def test_a_folder_and_its_file_and_its_name_are_the_same_start(source, started, fedrec_home):
    shutil.copytree(source, fedrec_home / "runs" / "mine")
    places = (source, source / "model.safetensors", "mine")
    for number, place in enumerate(places):
        config = absolute_paths(read_config({"run.start-from": str(place)}), Path.cwd())
        assert Path(config.run.start_from).is_absolute()
        started(config.run.start_from, name=str(number))
    folders = [fedrec_home.parent / str(number) for number in range(3)]
    assert compare(folders[0], folders[1]) == compare(folders[0], folders[2]) == []
    assert len({read_about(folder)["config_hash"] for folder in folders}) == 1


def test_other_weights_are_another_config(source, started, small_config):
    first = read_about(started(source))["config_hash"]
    arrays = load_file(source / "model.safetensors")
    save_file({name: array + 1 for name, array in arrays.items()}, source / "other.safetensors")
    other = read_about(started(source / "other.safetensors", name="other"))["config_hash"]
    assert len({first, other}) == 2


def test_resume_and_verify_need_the_source_no_more(source, started, small_config, tmp_path):
    whole = started(source, {"federation.rounds": 3})
    stopped = tmp_path / "stopped"
    config = small_config({"run.start-from": str(source), "federation.rounds": 3})

    def stop(line):
        if line["round"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            read_config({"run.dir": str(stopped)}, config),
            engine="inline",
            command="test",
            on_round=stop,
        )
    shutil.rmtree(source)
    resume(stopped, engine="inline", command="test")
    assert compare(whole, stopped) == []
    assert verify(whole, engine=None, command="test") == []
    assert f'start-from = "{source}"' in (stopped / "config.toml").read_text()


@pytest.mark.slow
def test_a_run_from_given_weights_can_be_extended(source, started):
    changes = {"local.optimizer-state": "reset"}
    longer = started(source, changes | {"federation.rounds": 3}, "longer")
    folder = started(source, changes)
    shutil.rmtree(source)
    resume(folder, rounds=3, engine="inline", command="test")
    assert compare(longer, folder) == []
    assert (folder / "config.toml").read_bytes() == (longer / "config.toml").read_bytes()


def test_a_changed_copy_of_the_weights_is_refused(source, started):
    folder = started(source)
    content = bytearray((folder / "start.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "start.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"start\.safetensors is not the file that the run wrote"):
        verify(folder, engine=None, command="test")


def broken(path, change):
    arrays = load_file(path / "model.safetensors")
    change(arrays)
    save_file(arrays, path / "broken.safetensors")
    return path / "broken.safetensors"


def test_parameters_that_do_not_fit_are_named_with_both_shapes(source, started):
    name = sorted(load_file(source / "model.safetensors"))[0]
    shape = load_file(source / "model.safetensors")[name].shape
    longer = (shape[0] + 1, *shape[1:])
    zeros, more = np.zeros(longer, np.float32), np.zeros(2, np.float32)
    for change, words in (
        (lambda a: a.update({name: zeros}), f"is of shape {longer} there, of shape {shape} in"),
        (lambda a: a.pop(name), f"{name!r} is missing there, of shape {shape} in this run"),
        (lambda a: a.update(more=more), "'more' is of shape (2,) there, missing in this run"),
        (lambda a: a[name].fill(np.nan), f"{name!r} holds something but finite numbers"),
    ):
        with pytest.raises(DataError) as refused:
            started(broken(source, change))
        assert words in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "is no file; name the folder of a run"),
        (lambda path: path.mkdir(), "model.safetensors is no file"),
        (lambda path: path.write_bytes(b"no weights"), "is no file of safetensors weights"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(started, tmp_path, write, words):
    write(tmp_path / "given")
    with pytest.raises(FedrecError) as refused:
        started(tmp_path / "given")
    assert words in str(refused.value)
    assert not (tmp_path / "started").exists()


def test_a_run_on_other_items_is_refused_and_one_without_rows_of_items_is_not(
    source, started, small_config, tmp_path
):
    other = {"data.source": "synthetic:users=60,items=60", "seed": 0}
    about = json.loads((source / "run.json").read_text())
    about["data"]["hash"] = "f" * 64
    about.pop("files")
    write_about(source / "run.json", about)
    started(source, other)  # other events, the same items
    text = (source / "items.csv").read_text()
    (source / "items.csv").write_text(text.replace("2,", "x,", 1))
    rows = (source / "items.csv").read_text().splitlines()
    (source / "items.csv").write_text("\n".join([rows[0], rows[2], rows[1], *rows[3:]]))
    with pytest.raises(DataError, match="was trained on other items"):
        started(source, other, "other")


def test_private_parameters_start_fresh_whatever_the_file_holds(source, started):
    assert "gate.bias" in load_file(source / "model.safetensors")
    folder = started(source, {"model.private": "gate-bias"})
    assert "gate.bias" not in load_file(folder / "model.safetensors")


def test_weights_that_the_run_would_remove_are_refused(source, started, small_config):
    before = sorted(path.name for path in source.iterdir())
    with pytest.raises(ConfigError, match="lies in the run's own folder"):
        start(small_config({"run.start-from": str(source), "run.overwrite": True}), source)
    assert sorted(path.name for path in source.iterdir() if path.name != ".lock") == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_every_engine_starts_from_the_same_weights(source, small_config, started, tmp_path, engine):
    inline = started(source)
    config = small_config({"run.start-from": str(source)})
    start(config, tmp_path / engine, engine)
    assert compare(inline, tmp_path / engine) == []
