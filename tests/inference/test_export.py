"""A model that is carried away: the same recommendations without run, data or fedrec."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import fedrec
from fedrec.errors import ConfigError, DataError, EvaluationError, ResourceError
from fedrec.inference.export import FORMATS, PROGRAM, export_model, open_export

MODELS = {
    "hybrid": {"model.neighbours": 2},
    "sasrec": {"model.name": "sasrec", "model.block": "sasrec", "model.positions": "from-first"},
    "gru4rec": {"model.name": "gru4rec"},
    "bert4rec": {"model.name": "bert4rec"},
    "dualrec-lstm": {"model.name": "dualrec-lstm", "model.blocks": 2},
}


@pytest.mark.parametrize("name", MODELS)
def test_it_recommends_the_same_without_data_and_in_plain_torch(
    run_inline, small_config, tmp_path, monkeypatch, name
):
    folder = run_inline(small_config(MODELS[name] | {"federation.rounds": 1}))
    ready = fedrec.open_recommender(folder)
    found = export_model(ready, tmp_path / "model")
    assert found.same_items == found.histories == 20
    assert found.difference < 1e-5 * max(1, found.scale)
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "empty"))
    opened = fedrec.open_recommender(tmp_path / "model")
    history = ready.catalog.item_ids[3:6]
    assert opened.recommend(history, 8) == ready.recommend(history, 8)
    assert not (tmp_path / "empty").exists()
    assert opened.rank_of(ready.catalog.item_ids[9], history) == ready.rank_of(
        ready.catalog.item_ids[9], history
    )
    # The five lines of the documentation.
    program = torch.export.load(tmp_path / "model" / PROGRAM).module()
    longest = opened.config.model.max_length - (name == "bert4rec")
    items = torch.zeros(1, longest, dtype=torch.long)
    items[0, :3] = torch.tensor([4, 5, 6])
    scores = program(items, torch.tensor([3]))
    scores[[0, 4, 5, 6]] = -torch.inf
    best = int(scores.argmax())
    assert opened.catalog.item_ids[best - 1] == opened.recommend(history, 1)[0].item


@pytest.fixture
def ready(run_copy, small_config):
    """Recommender of a run."""
    return fedrec.open_recommender(run_copy(small_config()))


@pytest.fixture
def exported(ready, tmp_path):
    """Its exported model."""
    export_model(ready, tmp_path / "model")
    return tmp_path / "model"


def test_it_holds_no_interaction_and_no_user(exported, ready):
    assert {path.name for path in exported.iterdir()} == {
        "config.toml",
        "model.safetensors",
        "items.json",
        "export.json",
        PROGRAM,
    }
    text = (exported / "items.json").read_text() + (exported / "export.json").read_text()
    assert not any(f'"{user}"' in text for user in ready.dataset.user_ids)
    opened = open_export(exported)
    assert opened.dataset.user_ids == []
    with pytest.raises(DataError, match="an exported model holds no user"):
        opened.recommend(ready.dataset.user_ids[0])


def test_new_items_can_be_added_to_it(exported):
    opened = fedrec.open_recommender(exported)
    longer = opened.with_items(titles=["A new one"], genres=[[opened.catalog.genres[0][0]]])
    assert longer.nearest("new-1", 3)


@pytest.mark.parametrize("name", ["config.toml", "items.json", "model.safetensors"])
def test_a_changed_or_missing_file_is_refused_in_one_line(exported, name):
    path = exported / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not the file that was exported"):
        fedrec.open_recommender(exported)
    path.unlink()
    with pytest.raises(DataError, match=f"{name} cannot be read: No such file"):
        fedrec.open_recommender(exported)


def test_another_format_and_a_folder_that_is_there_are_refused(exported, ready):
    about = json.loads((exported / "export.json").read_text())
    (exported / "export.json").write_text(json.dumps(about | {"format": "fedrec-model-9"}))
    with pytest.raises(DataError, match="of format 'fedrec-model-9'"):
        open_export(exported)
    (exported / "export.json").write_text("{}")
    with pytest.raises(DataError, match="no model that fedrec exported"):
        open_export(exported)
    with pytest.raises(ConfigError, match="is there already"):
        export_model(ready, exported)


@pytest.mark.parametrize("target", ["link", "nowhere"])
def test_a_link_that_leads_nowhere_is_a_folder_that_is_there(ready, tmp_path, target):
    link = tmp_path / "out" / "link"
    link.parent.mkdir()
    link.symlink_to(link.parent / target)
    with pytest.raises(ConfigError, match="link is there already"):
        export_model(ready, link)
    assert [path.name for path in link.parent.iterdir()] == ["link"]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("to", ["onnx", "pte"])
def test_other_runtimes_give_the_same_lists(run_inline, small_config, tmp_path, name, to):
    for module in FORMATS[to].modules:
        pytest.importorskip(module)
    folder = run_inline(small_config(MODELS[name] | {"federation.rounds": 1}))
    ready = fedrec.open_recommender(folder)
    found = export_model(ready, tmp_path / "model", to)
    assert found.same_items == found.histories
    assert found.difference < 1e-5 * max(1, found.scale)
    assert (tmp_path / "model" / FORMATS[to].file).stat().st_size == found.bytes
    assert fedrec.open_recommender(tmp_path / "model").recommend(["i3"]) == ready.recommend(["i3"])


def test_an_unknown_format_or_a_missing_package_leaves_no_folder(ready, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="--to must be one of folder, onnx, pte, got 'tflite'"):
        export_model(ready, tmp_path / "model", "tflite")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"onnxruntime, .*pip install 'fedrec\[onnx\]'"):
        export_model(ready, tmp_path / "model", "onnx")
    assert not (tmp_path / "model").exists()


def test_a_program_with_other_scores_is_refused_and_nothing_is_left(ready, tmp_path, monkeypatch):
    other = dataclasses.replace(
        FORMATS["folder"], load=lambda path: lambda items, length: np.zeros(99, dtype=np.float32)
    )
    monkeypatch.setitem(FORMATS, "folder", other)
    with pytest.raises(EvaluationError, match=r"program\.pt2 gives other scores than fedrec"):
        export_model(ready, tmp_path / "model")
    assert list(tmp_path.glob("*model*")) == []
