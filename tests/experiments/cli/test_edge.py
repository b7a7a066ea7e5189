"""The edge of the command: one line for whatever happens, an exit code, a log of what is a bug."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import experiments.describe
from experiments.cli.terminal import once_told
from experiments.crash import tracker
from server.lifecycle.signals import Interrupted
from tests.experiments.cli.conftest import refused

ROOT = Path(__file__).parents[3]


@pytest.fixture
def failing(monkeypatch):
    """Let `fedrec data describe` raise an error."""

    def fail(error):
        def raising(config):
            raise error

        monkeypatch.setattr(experiments.describe, "describe", raising)

    return fail


def test_a_bug_ends_in_one_line_a_log_and_an_address(fedrec, failing, tmp_path):
    failing(RuntimeError("boom\nand more"))
    ended = fedrec("data", "describe")
    refused(ended, 70, "RuntimeError: boom and more", "bug of fedrec", tracker())
    (log,) = (tmp_path / "home" / "logs").iterdir()
    assert str(log) in ended.stderr
    kept = log.read_text()
    assert kept.startswith("fedrec ")
    assert "Traceback (most recent call last)" in kept
    assert "in raising" in kept


def test_debug_shows_the_traceback_of_a_bug(fedrec, failing, monkeypatch):
    monkeypatch.setenv("FEDREC_DEBUG", "1")
    failing(RuntimeError("boom"))
    assert isinstance(fedrec("data", "describe").exception, RuntimeError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "standard output cannot be written"),
    ],
)
def test_a_machine_that_is_too_small_is_no_bug(fedrec, failing, error, words, tmp_path):
    failing(error)
    refused(fedrec("data", "describe"), 5, words)
    assert not (tmp_path / "home" / "logs").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("ls", "x" * 300),
        ("report", "x" * 300),
        ("resume", "x" * 300),
        ("run", "x" * 300 + ".toml"),
        ("sweep", "x" * 300),
        ("baseline", "popularity", "synthetic", "--out", "x" * 300),
        ("data", "check", "a/" + "x" * 3000),
    ],
)
def test_a_name_that_no_file_can_have_is_no_bug(fedrec, words, tmp_path):
    ended = fedrec(*words)
    assert ended.exit_code in (2, 4, 5), ended.stderr
    assert ended.stderr.startswith("error: ")
    assert "bug of fedrec" not in ended.stderr
    assert not (tmp_path / "home" / "logs").exists()


def test_an_interruption_is_no_error(fedrec, failing):
    failing(Interrupted(130))
    ended = fedrec("data", "describe")
    assert (ended.exit_code, ended.stderr) == (130, "interrupted\n")


def test_what_is_told_once_comes_before_the_first_call():
    seen = []
    told = once_told(lambda: seen.append("line"))
    add, wait = told(seen.append), told(lambda *both: seen.append(both))
    wait(1, 2)
    add("round")
    assert seen == ["line", (1, 2), "round"]


def command(*words, stdout=subprocess.PIPE, **environment):
    return subprocess.run(
        [sys.executable, "-m", "experiments.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )


def test_a_full_standard_output_is_said_in_one_line():
    with open("/dev/full", "wb") as full:
        ended = command("keys", stdout=full)
    assert ended.returncode == 5
    assert ended.stderr == b"error: standard output cannot be written: No space left on device\n"


@pytest.mark.slow
def test_titles_and_paths_with_umlauts_are_read_and_shown_in_the_c_locale(tmp_path):
    events = tmp_path / "Bücher.csv"
    rows = "".join(f"ü{u},ä{(u + i) % 12},{i}\n" for u in range(6) for i in range(6))
    events.write_text(f"user,item,time\n{rows}", encoding="utf-8")
    ended = command(
        *("data", "describe", "--set", f"data.source={events}"),
        *("--set", "data.min-item-events=1"),
        **{"LC_ALL": "C", "PYTHONUTF8": "0", "FEDREC_HOME": str(tmp_path / "größe")},
    )
    assert ended.returncode == 0, ended.stderr
    assert "6 users" in ended.stdout.decode()
    assert "größe" in os.listdir(tmp_path)
