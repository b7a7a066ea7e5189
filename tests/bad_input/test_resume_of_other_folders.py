"""What is no run to resume: a run that never began, a folder without one, damaged records."""

import json
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import server.checkpoints.resume
import server.lifecycle.run_folder
import server.run
from experiments.reproducibility.verify import compare
from tests.bad_input.conftest import SMALL, lines_of_events
from tests.bad_input.test_resume import ROOT, content_of

# Imports once, then begins a run's folder for each line that it reads, in a process of its own that
# kills itself just before the given rename, or at the first line of the log.
BEGINS_AND_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from experiments.settings import resolve
from server.lifecycle.run_folder import RunFolder
from fedrec.runs.directory import locked
file, source, *cases = sys.argv[1:]
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
for case in cases:
    number, _, folder = case.partition(":")
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    real, renames = os.replace, []
    def replace(draft, target):
        renames.append(target)
        return kill() if len(renames) == int(number) else real(draft, target)
    os.replace, RunFolder.log = replace, kill
    with locked(Path(folder)):
        config = resolve(file, [f"data.source={source}"], {"run.dir": folder})
        RunFolder.create(Path(folder), config, engine="inline", command="test")
"""


KILLED_AT_THE_START = {
    "config.toml is being written": {".lock", ".config.toml.tmp"},
    "run.json is being written": {".lock", "config.toml", ".run.json.tmp"},
    "both are there": {".lock", "config.toml", "run.json"},
}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What a run that is killed in its first milliseconds leaves: a folder for each moment."""
    place = tmp_path_factory.mktemp("killed")
    (place / "small.toml").write_text(SMALL)
    (place / "events.csv").write_text("\n".join([*lines_of_events(), ""]))
    folders = [place / str(number) for number in (1, 2, 3)]
    cases = [f"{folder.name}:{folder}" for folder in folders]
    files = [str(place / "small.toml"), str(place / "events.csv")]
    words = [sys.executable, "-c", BEGINS_AND_IS_KILLED, *files, *cases]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for folder, left in zip(folders, KILLED_AT_THE_START.values(), strict=True):
        found = {re.sub(r"\.\w+\.tmp", ".tmp", path.name) for path in folder.iterdir()}
        assert found == left
    return folders


@pytest.fixture
def killed_at_the_start(killed, tmp_path):
    """The test's own copy of each of these folders."""
    return [Path(shutil.copytree(one, tmp_path / "killed" / one.name)) for one in killed]


@pytest.mark.slow
def test_a_run_that_is_killed_in_its_first_milliseconds_is_in_nobodys_way(
    fedrec, run, csv, events, undrawn, killed_at_the_start
):
    *before_run_json, after = killed_at_the_start
    for folder in before_run_json:
        ended = run(csv(events), f"run.dir={folder}")
        assert ended.code == 0, ended.errors
    ended = fedrec("resume", after)
    assert ended.code == 0, ended.errors
    assert "no checkpoint was written yet: starting from the beginning" in ended.shown
    for folder in before_run_json:
        assert compare(folder, after) == []
        assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    "name", ["config.toml", ".thesis.4711.tmp", ".run.json.tmp", ".run.json.4711"]
)
def test_only_what_a_killed_run_left_is_taken_for_that(
    run, refused, csv, events, killed_at_the_start, name
):
    folder = killed_at_the_start[1]
    (folder / name).write_text("seed = 7\n")  # the user's own
    for sets in ((), ("run.overwrite=true",)):
        refused(run(csv(events), f"run.dir={folder}", *sets), 2, f"{folder} is not empty")
    assert (folder / name).read_text() == "seed = 7\n"


def test_a_copy_of_a_config_alone_in_its_folder_is_not_overwritten(
    run, refused, csv, events, killed_at_the_start
):
    folder = killed_at_the_start[1]
    (folder / ".lock").unlink()  # a run that is killed leaves it
    refused(run(csv(events), f"run.dir={folder}"), 2, f"run folder {folder} is not empty")
    assert (folder / "config.toml").exists()


def test_a_full_disk_at_the_first_file_leaves_nothing_in_the_way(
    run, csv, events, fedrec_home, strike_run_json
):
    ended = run(csv(events))
    assert ended.code == 5, ended.errors
    assert list((fedrec_home / "runs" / "small").iterdir()) == []
    strike_run_json.undo()
    assert run(csv(events)).code == 0


@pytest.fixture
def strike_run_json():
    """From the moment at which run.json is first written, no file may have a byte."""
    before, real = (
        resource.getrlimit(resource.RLIMIT_FSIZE),
        server.lifecycle.run_folder.write_about,
    )

    def write_about(path, content):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            real(path, content)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.lifecycle.run_folder, "write_about", write_about)
        yield patch


def test_a_folder_that_holds_no_run_is_not_resumed(fedrec, refused, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    refused(fedrec("resume", tmp_path / "thesis"), 4, str(tmp_path / "thesis" / "run.json"))
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter1.tex"]


def test_a_folder_that_does_not_exist_is_not_resumed(fedrec, refused, tmp_path, fedrec_home):
    refused(fedrec("resume", tmp_path / "none"), 4, str(tmp_path / "none" / "run.json"))
    refused(fedrec("resume", "none"), 4, str(fedrec_home / "runs" / "none" / "run.json"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": NaN}', "\0"])
def test_a_damaged_run_json_is_refused(fedrec, refused, stopped, text):
    (stopped / "run.json").write_text(text)
    before = content_of(stopped)
    refused(fedrec("resume", stopped), 4, str(stopped / "run.json"))
    assert content_of(stopped) == before


def test_a_run_without_its_config_is_refused(fedrec, refused, stopped):
    (stopped / "config.toml").unlink()
    refused(fedrec("resume", stopped), 4, f"{stopped} has no config.toml")


def test_a_config_that_is_no_toml_any_more_is_refused(fedrec, refused, stopped):
    (stopped / "config.toml").write_text("= 3")
    refused(fedrec("resume", stopped), 2, f"{stopped / 'config.toml'} is no TOML")


@pytest.mark.parametrize("kind", ["centralised", "popularity"])
def test_a_reference_that_was_stopped_goes_on_as_the_reference_it_was(
    fedrec, small, csv, events, fedrec_home, monkeypatch, undrawn, kind
):
    sets = (f"data.source={csv(events)}", "federation.rounds=3", "run.checkpoint-every=1")
    words = ("baseline", kind, small, *(word for text in sets for word in ("--set", text)))
    real = server.run.finalize_run

    def stop(*args, **keywords):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(server.run, "finalize_run", stop)
    ended = fedrec(*words)
    assert ended.code == 130, ended.errors
    folder = fedrec_home / "runs" / f"small-{kind}"
    monkeypatch.setattr(server.run, "finalize_run", real)
    ended = fedrec("resume", folder)
    assert ended.code == 0, ended.errors
    assert json.loads((folder / "run.json").read_text())["status"] == "done"
    ended = fedrec(*words, "--out", fedrec_home / "runs" / "whole")
    assert ended.code == 0, ended.errors
    assert compare(fedrec_home / "runs" / "whole", folder) == []
