"""The Ray engine of ``fedrec run``: same bytes as this process, whoever is killed, nothing left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.engines import ray_address
from experiments.engines.ray import check_options
from experiments.resume import start as go_on
from fedrec.errors import ConfigError, ResourceError
from tests.listening import listening

ROOT = Path(__file__).parents[3]
SMALL = [
    "federation.rounds=4",
    "partition.count=4",
    "model.private=gate-bias",
    "semantics.encoder=hashed",
    "semantics.width=8",
    "model.width=8",
    "model.hidden=8",
    "model.max-length=8",
    "loss.negatives=8",
    "evaluation.resamples=20",
    "data.source=synthetic:users=40,items=60",
]


def command(folder: Path, engine: str, *words: str) -> list[str]:
    sets = [word for change in SMALL for word in ("--set", change)]
    head = [sys.executable, "-m", "experiments.cli.main", "run", "--engine", engine]
    return [*head, "--out", str(folder), *sets, *words]


@pytest.fixture
def environment(tmp_path, scratch):
    values = {"FEDREC_HOME": str(tmp_path / "home"), "TMPDIR": str(scratch)}
    return os.environ | values | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def start(tmp_path, environment):
    """``start(name, engine, *words)`` begins a run; whatever is left of it is ended."""
    started = []

    def begin(name: str, engine: str, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command(tmp_path / name, engine, *words),
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a run; what it printed on stderr."""
    output, errors = process.communicate(timeout=240)
    assert process.returncode == code, output + errors
    assert "Traceback" not in errors
    return errors


def descendants(root: int) -> dict[int, str]:
    """Live processes below one, with their titles."""
    parents, titles = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(entry.name)] = int(parent)
                titles[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
    below, size = {root}, 0
    while size != len(below):
        size = len(below)
        below |= {pid for pid, parent in parents.items() if parent in below}
    return {pid: titles[pid] for pid in below - {root} if pid in titles}  # some end meanwhile


def workers(root: int) -> list[int]:
    return [pid for pid, title in descendants(root).items() if title.startswith("ray::RayWorker")]


def rounds(folder: Path) -> int:
    path = folder / "rounds.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def until(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pids: dict[int, str]) -> dict[int, str]:
    """Those that are still there: same pid, and no zombie."""
    left = {}
    for pid, title in pids.items():
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                left[pid] = title
        except OSError:
            continue
    return left


@pytest.mark.parametrize(
    ("engine", "number", "address", "message"),
    [
        ("inline", 2, None, "workers is an option of engine 'ray', got engine 'inline'"),
        ("flower", None, "auto", "address is an option of engine 'ray', got engine 'flower'"),
        ("ray", 0, None, "workers must be 1 or more, got 0"),
        ("ray", None, "here", "address must be auto or host:port, got 'here'"),
        ("ray", None, "ray://host:10001", "address must be auto or host:port, got 'ray://"),
        ("ray", None, "host:port", "address must be auto or host:port, got 'host:port'"),
    ],
)
def test_options_that_cannot_be_are_refused(engine, number, address, message):
    with pytest.raises(ConfigError, match=message.replace("/", "\\/")):
        check_options(engine, number, address)


def test_options_of_a_run_are_checked_before_it_begins(small_config):
    from experiments.engines.run import run

    with pytest.raises(ConfigError, match="workers must be 1 or more"):
        run(small_config(), engine="ray", command="test", workers=0)


@pytest.mark.parametrize("kind", ["centralised", "popularity"])
@pytest.mark.parametrize(
    ("option", "given"), [("--workers", {"workers": 2}), ("--address", {"address": "auto"})]
)
def test_a_reference_that_goes_on_or_is_verified_has_no_workers(small_config, kind, option, given):
    message = f"{option} is for --engine ray; a {kind} baseline runs in one process"
    with pytest.raises(ConfigError, match=message):
        go_on(small_config(), f"baseline ({kind})", command="test", **given)


def test_an_address_without_a_cluster_is_refused(monkeypatch):
    monkeypatch.setattr(ray_address, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ResourceError, match=r"no Ray cluster answers at 127\.0\.0\.1:9"):
        ray_address.cluster_address("127.0.0.1:9")


@pytest.mark.slow
@pytest.mark.parametrize("all_of_them", [False, True])
def test_killed_workers_change_nothing(tmp_path, start, scratch, all_of_them):
    more = ("--set", "federation.rounds=15")
    ended(start("inline", "inline", *more))
    process = start("ray", "ray", "--workers", "2", *more)
    folder = tmp_path / "ray"
    for number in (0, 1, 3):  # in the census or round 0, then in later rounds
        until(lambda number=number: rounds(folder) >= number and len(workers(process.pid)) > 1)
        victims = workers(process.pid)
        for pid in victims if all_of_them else victims[:1]:
            os.kill(pid, signal.SIGKILL)
    assert rounds(folder) < 16, "the kills came too late"
    ended(process)
    for name in ("model.safetensors", "metrics.json", "users.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "inline" / name).read_bytes()
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert [line["excluded"] for line in lines] == [[]] * 16
    assert json.loads((folder / "run.json").read_text())["engine"] == "ray"
    assert [path.name for path in scratch.glob("fedrec-*")] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_group", "code"),
    [
        (signal.SIGINT, True, 130),
        (signal.SIGTERM, False, 143),
        (signal.SIGKILL, False, -9),
    ],
)
def test_a_signal_ends_the_run_and_every_process_of_it(
    tmp_path, start, scratch, number, to_group, code
):
    process = start("run", "ray", "--workers", "2", "--set", "federation.rounds=100000")
    until(lambda: rounds(tmp_path / "run") >= 2)
    ours = descendants(process.pid)
    assert any("raylet" in title for title in ours.values())
    assert len(workers(process.pid)) == 2
    assert (ports := listening({process.pid, *ours}))
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    time.sleep(1.5)  # the watcher looks every second
    # Ctrl-C in a terminal reaches the whole foreground group.
    (os.killpg if to_group else os.kill)(process.pid, number)
    ended(process, code)
    until(lambda: not alive(ours), seconds=30)
    until(lambda: not list(scratch.glob("fedrec-*")), seconds=5)
    if code > 0:
        about = json.loads((tmp_path / "run" / "run.json").read_text())
        assert (about["status"], about["exit_code"]) == ("interrupted", code)


@pytest.mark.slow
def test_no_cluster_at_an_address_is_exit_code_5(start, environment):
    environment.pop("RAY_ADDRESS", None)
    errors = ended(start("run", "ray", "--address", "127.0.0.1:9"), 5)
    assert "no Ray cluster answers at 127.0.0.1:9" in errors.splitlines()[-1]


CLUSTER = """
import sys, time
import ray
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
for _ in range(2):
    cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture
def cluster(scratch, environment):
    """Three Ray nodes of one CPU each on this machine: their address and the process."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        cwd=scratch,
        env=environment | {"PYTHONPATH": "", "RAY_USAGE_STATS_ENABLED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    address = process.stdout.readline().strip()
    ours = descendants(process.pid)
    yield address, process
    process.communicate("", timeout=60)
    for pid in alive(ours):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_cluster_of_three_nodes_is_used_and_left_as_it_was(tmp_path, start, cluster):
    address, nodes = cluster
    ended(start("inline", "inline"))
    before = {pid for pid, title in descendants(nodes.pid).items() if "raylet" in title}
    assert len(before) >= 3
    process = start("ray", "ray", "--address", address)
    until(lambda: rounds(tmp_path / "ray") >= 1 and len(workers(nodes.pid)) == 3)
    os.kill(workers(nodes.pid)[0], signal.SIGKILL)
    ended(process)
    inline, ray = ((tmp_path / e / "model.safetensors").read_bytes() for e in ("inline", "ray"))
    assert inline == ray
    until(lambda: not workers(nodes.pid), seconds=30)
    assert before <= set(descendants(nodes.pid))
    # More than the cluster has is refused; a driver that is killed leaves no worker on it.
    errors = ended(start("many", "ray", "--address", address, "--workers", "4"), 5)
    assert "workers = 4 needs as many CPUs, the Ray cluster has 3" in errors
    process = start("killed", "ray", "--address", address, "--set", "federation.rounds=100000")
    until(lambda: rounds(tmp_path / "killed") >= 2)
    process.kill()
    until(lambda: not workers(nodes.pid), seconds=30)


@pytest.mark.slow
def test_a_sweep_is_made_on_a_cluster_that_is_left_as_it_was(tmp_path, environment, cluster):
    address, nodes = cluster
    sets = [word for change in SMALL for word in ("--set", change)]
    words = ["--grid", "local.epochs=1,2", "--address", address, "--cpus", "0.5"]
    program = [sys.executable, "-m", "experiments.cli.main", "sweep", "synthetic"]
    out = tmp_path / "swept"
    run = subprocess.run(
        [*program, *words, *sets, "--out", str(out)], env=environment, capture_output=True
    )
    assert run.returncode == 0, run.stderr
    for name in ("epochs-1-seed0", "epochs-2-seed0"):
        assert json.loads((out / name / "run.json").read_text())["status"] == "done"
    until(lambda: not [t for t in descendants(nodes.pid).values() if "RunWorker" in t], seconds=30)
    assert len([t for t in descendants(nodes.pid).values() if "raylet" in t]) >= 3
