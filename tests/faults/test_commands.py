"""Faults of the real command, in processes of their own: signals, limits, two runs in a folder."""

import os
import resource
import signal

import pytest

from experiments.chaos.running import Running, run_to_end
from experiments.chaos.tries import Tries, fault_free, phase, run_words
from experiments.reproducibility.verify import compare
from fedrec.runs.record import read_json, read_rounds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tries(tmp_path_factory) -> Tries:
    """An uninterrupted run on each engine."""
    return fault_free(tmp_path_factory.mktemp("tries"), 0, ["inline", "ray"])


def has_rounds(folder, number):
    return lambda: len(read_rounds(folder / "rounds.jsonl", must_exist=False)[0]) > number


@pytest.mark.parametrize("engine", ["inline", "ray"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_a_checkpoint_and_ends_with_its_code(tries, tmp_path, engine, number, code):
    folder = tmp_path / "run"
    # No checkpoint would be due after round 0 before the last.
    with Running(run_words(engine, folder, every=100), tmp_path, tries.home) as running:
        assert running.wait_until(has_rounds(folder, 3), every=0.02), running.last_words()
        if number == signal.SIGINT:  # which a terminal sends to all of them
            os.killpg(running.process.pid, number)
        else:
            running.process.send_signal(number)
        assert running.end() == code
        assert running.left_over() == []
        said = running.last_words()
    assert said.startswith("terminated" if code == 143 else "interrupted")
    assert f"fedrec resume {folder}" in said
    about = read_json(folder / "run.json")
    assert (about["status"], about["exit_code"]) == ("interrupted", code)
    last = read_rounds(folder / "rounds.jsonl")[0][-1]["round"]
    assert last >= 3
    assert (folder / "checkpoints" / f"round-{last:05d}").is_dir()
    ended = run_to_end(["resume", "--quiet", str(folder)], tmp_path / "again", tries.home)
    assert ended[0] == 0, ended[1]
    assert read_json(folder / "run.json")["resumed"][0]["after"] == last
    assert compare(tries.fault_free, folder) == []


def test_a_second_run_in_the_folder_exits_with_2_and_the_first_goes_on(tries, tmp_path):
    folder = tmp_path / "run"
    with Running(run_words("inline", folder, every=1), tmp_path, tries.home) as running:
        assert running.wait_until(has_rounds(folder, 0), every=0.02), running.last_words()
        os.kill(running.process.pid, signal.SIGSTOP)  # or it might be over before the second looks
        try:
            for words in (
                run_words("inline", folder, every=1),
                [*run_words("inline", folder, every=1), "--overwrite"],
                ["resume", str(folder)],
            ):
                code, said = run_to_end(words, tmp_path / "second", tries.home)
                assert code == 2, said
                assert f"is in use by another run (process {running.process.pid})" in said
                assert "go on with" not in said
        finally:
            os.kill(running.process.pid, signal.SIGCONT)
        assert running.end() == 0
    assert compare(tries.fault_free, folder) == []


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_files_that_may_not_grow_while_saving_end_the_run_with_5(tries, tmp_path):
    folder = tmp_path / "run"
    words = [*run_words("inline", folder, every=1), "--set", "local.optimizer-state=reset"]
    whole = tmp_path / "whole"
    code, said = run_to_end(
        [str(whole) if word == str(folder) else word for word in words], tmp_path / "w", tries.home
    )
    assert code == 0, said
    with Running(words, tmp_path, tries.home) as running:
        assert running.wait_until(has_rounds(folder, 2), every=0.02), running.last_words()
        # A checkpoint's weights are larger; the history, the log and private biases are not.
        limit = 40_000
        assert (
            folder / "checkpoints" / "round-00002" / "weights.safetensors"
        ).stat().st_size > limit
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        assert running.end() == 5, running.last_words()
        said = running.last_words()
    assert "cannot be written: File too large; the checkpoint of round" in said
    about = read_json(folder / "run.json")
    assert (about["status"], about["exit_code"]) == ("failed", 5)
    code, said = run_to_end(["resume", str(folder)], tmp_path / "again", tries.home)
    assert code == 0, said
    assert compare(whole, folder) == []


def test_a_server_stopped_by_the_kernel_says_nothing_and_goes_on_on_another_engine(tries, tmp_path):
    folder = tmp_path / "run"
    with Running(run_words("ray", folder, every=1), tmp_path, tries.home) as running:
        assert running.wait_until(has_rounds(folder, 4), every=0.02), running.last_words()
        running.kill()
        assert running.left_over() == []
    assert read_json(folder / "run.json")["status"] == "running"
    assert phase(folder) not in ("start-up", "report")
    words = ["resume", "--quiet", str(folder), "--engine", "inline"]
    code, said = run_to_end(words, tmp_path / "again", tries.home)
    assert code == 0, said
    assert compare(tries.fault_free, folder) == []
    assert read_json(folder / "run.json")["resumed"][0]["engine"] == "inline"
