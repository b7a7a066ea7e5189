"""What never reaches the server: interactions, frozen arrays, ID embeddings kept by clients."""

import csv

from safetensors.numpy import load_file

import server.run
from clients.app import app
from fedrec.report.page import render_page
from fedrec.runs.record import read_run
from tests.server.lifecycle.test_run_folder import lines_of, read


def test_frozen_arrays_never_travel(run_inline, small_config):
    names = set()

    def client(message, context):
        reply = app(message, context)
        for content in (message.content, reply.content):
            for key in ("arrays", "ranks", "registration"):
                names.update(content.array_records.get(key, {}))
        return reply

    folder = run_inline(small_config(), client=client)
    assert "gate.bias" in names
    assert not [name for name in names if name.endswith("table")]
    assert not [name for name in load_file(folder / "model.safetensors") if "table" in name]


def test_training_leaves_the_bytes_of_the_frozen_table_alone(run_inline, small_config, small_home):
    import hashlib

    def digests():
        return {
            path: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (small_home / "semantics").rglob("*.npy")
        }

    before = digests()
    about = read(run_inline(small_config()), "run.json")
    assert digests() == before
    assert len(before) == 2  # raw vectors and the table
    assert about["semantics"]["table_sha256"]


def test_the_server_needs_no_interaction(run_inline, small_config, small_home, monkeypatch):
    """After the registration the events are gone; the clients hold them open, memory-mapped."""
    deleted = []

    def client(message, context):
        reply = app(message, context)
        if message.metadata.message_type == "query" and context.node_config["partition-id"] == 2:
            for folder in (small_home / "prepared").iterdir():
                if folder.is_dir():
                    for path in folder.iterdir():
                        if path.name not in ("manifest.json", "catalog.json"):
                            path.unlink()
                            deleted.append(path.name)
        return reply

    def refuse(*args, **keywords):
        raise AssertionError("the server opened interactions")

    monkeypatch.setattr(server.run, "open_dataset", refuse, raising=False)
    folder = run_inline(small_config(), client=client)
    assert {"items.npy", "offsets.npy", "users.json"} <= set(deleted)
    assert read(folder, "run.json")["status"] == "done"


def test_no_module_of_the_server_can_open_interactions():
    import pathlib

    for path in pathlib.Path(server.run.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for name in (
            "open_dataset",
            "open_prepared",
            "from clients",
            "import clients",
        ):
            assert name not in text, f"{path.name} has {name}"


def test_identity_rows_can_stay_with_the_clients(run_inline, small_config, tmp_path):
    told = {"model.private": "identity", "local.learning-rate": 0.05}
    folder = run_inline(small_config(told), tmp_path / "own")
    assert "views.identity.rows" not in load_file(folder / "model.safetensors")
    sizes = read(folder, "run.json")["parameters"]
    assert sizes["private"] == 58 * 8  # a row of width 8 for each item and the padding
    assert sizes["id_embeddings_travel"] is False
    assert "no: only dense layers leave a client" in render_page(read_run(folder), [])
    with (folder / "users.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "personal_rank" not in rows[0]  # no model without them, so that theirs is the rank
    shared = run_inline(small_config(), tmp_path / "shared")
    moved, whole = (lines_of(one)[1]["bytes_up"] for one in (folder, shared))
    assert whole - moved >= 3 * 58 * 8 * 4  # three clients, float32
