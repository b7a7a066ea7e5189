"""fedrec doctor: what it finds, and what it calls a problem."""

import importlib.metadata
import os
import sys
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from experiments.engines import watchdog
from experiments.housekeeping import doctor, packages, processes
from experiments.housekeeping.sizes import bytes_in, shown_bytes

ASKED = [
    Requirement("flwr[simulation]>=1.41,<1.43"),
    Requirement("numpy>=2"),
    Requirement("colour>=1; sys_platform == 'amiga'"),
    Requirement("pyarrow>=16; extra == 'parquet'"),
    Requirement("wandb>=0.19; extra == 'wandb'"),
    Requirement("ruff; extra == 'dev'"),
]
THERE = {"flwr": "1.43.0", "pyarrow": "26.0.1"}


def test_a_package_that_is_missing_or_too_new_is_named_with_its_remedy():
    assert packages.misfits(ASKED, THERE.get) == [
        "flwr 1.43.0 is not supported: pip install 'flwr<1.43,>=1.41'",
        "numpy is not installed: pip install 'numpy>=2'",
    ]


def test_an_extra_is_there_or_lacks_packages(monkeypatch):
    about = Message()
    for name in ("parquet", "wandb", "dev"):
        about["Provides-Extra"] = name
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: about)
    assert packages.extras(ASKED, THERE.get) == {"parquet": [], "wandb": ["'wandb>=0.19'"]}


def a_process(folder: Path, number: int, words: list[str], cwd: Path, variables="") -> None:
    entry = folder / str(number)
    entry.mkdir(parents=True)
    (entry / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
    (entry / "cwd").symlink_to(cwd)
    (entry / "environ").write_text(f"HOME=/root\0{variables}\0")
    (entry / "maps").write_text(f"7f00 r--p 0 0:0 1 {cwd}/prepared/data/items.npy\n")


@pytest.fixture
def system(tmp_path):
    """A service of this Python, one of another in a folder that is gone, a shell, one of a run."""
    proc = tmp_path / "proc"
    service = os.path.join(os.path.dirname(sys.executable), "flower-superlink")
    a_process(proc, 11, [sys.executable, service, "--insecure"], tmp_path / "mine")
    gone = Path(f"{tmp_path}/other (deleted)")
    a_process(proc, 12, ["/opt/bin/python", "/opt/bin/flower-superlink"], gone)
    a_process(proc, 13, ["/bin/sh", "-c", "flower-superlink"], tmp_path / "shell")
    service_of_a_run = [sys.executable, service]
    a_process(proc, 14, service_of_a_run, tmp_path / "run", f"{watchdog.MARK}=abc")
    (proc / "self").mkdir()
    return proc


def test_services_of_flower_are_named_with_their_folders(system, tmp_path):
    assert list(processes.flower_services(system)) == [
        f"process 11 in {tmp_path}/mine: stop it by `kill 11`",
        f"process 12 in {tmp_path}/other: which is gone; by /opt/bin/python, another Python than "
        "this; stop it by `kill 12`",
    ]


def test_who_has_a_file_of_a_folder_open_is_found(system, tmp_path):
    assert processes.users_of(tmp_path / "mine" / "prepared", system) == [11]
    assert processes.users_of(tmp_path / "mine" / "prep", system) == []


def test_where_the_system_tells_nothing_of_processes_none_are_found(tmp_path):
    assert list(processes.flower_services(tmp_path / "none")) == []


def test_sizes_count_files_and_no_links(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"x" * 1500)
    (tmp_path / "two").write_bytes(b"x" * 10)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert bytes_in(tmp_path) == 1510
    assert bytes_in(tmp_path / "link") == 0
    assert [shown_bytes(n) for n in (0, 999, 1510, 2.5e9)] == ["0 B", "999 B", "1.51 kB", "2.5 GB"]


def test_the_command_tells_all_and_ends_by_the_number_of_problems(fedrec, monkeypatch):
    monkeypatch.setattr(doctor, "flower_services", lambda: iter(()))
    monkeypatch.setattr(packages, "requirements", lambda: [])
    result = fedrec("doctor")
    assert result.exit_code == 0, result.output
    for words in ("versions", "flwr", "torch", "cores", "GPU", "compiler", "FEDREC_HOME", "free"):
        assert words in result.stdout
    assert result.stdout.endswith("no problem found\n")
    monkeypatch.setattr(doctor, "flower_services", lambda: iter(["process 7 in /x: `kill 7`"]))
    monkeypatch.setattr(doctor, "LEAST_FREE", 1 << 80)
    result = fedrec("doctor")
    assert result.exit_code == 1
    assert "problem: a Flower service is left: process 7 in /x: `kill 7`" in result.stdout
    assert "`fedrec clean`" in result.stdout
