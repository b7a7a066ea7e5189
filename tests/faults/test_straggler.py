"""A client that takes too long, on the real command: excluded, on record, and verified without."""

import pytest

from experiments.chaos.running import Running, run_to_end
from experiments.reproducibility.same_bytes import SMALL
from fedrec.runs.record import read_json, read_rounds
from server.sampling.excluded import is_simulated_dropout

# Seconds; a task takes a fraction of one, and several where other work holds the cores.
TIMEOUT = 25.0
SETTINGS = SMALL | {
    "data.source": "synthetic:users=60,items=60",
    "partition.count": 4,
    "federation.rounds": 3,
    "federation.round-timeout": TIMEOUT,
    "loss.negatives": 20,
    "model.name": "slow_models:Straggler",
}
MODULE = '''
import time
from pathlib import Path

from fedrec.models.sasrec import SASRec


class Straggler(SASRec):
    """The first who trains while there is a file "straggle" takes it away and falls asleep."""

    def output_vectors(self, table):
        if self.training:
            try:
                Path(__file__).with_name("straggle").unlink()
            except FileNotFoundError:
                pass
            else:
                time.sleep(600)
        return super().output_vectors(table)
'''


@pytest.mark.slow
def test_a_straggler_is_excluded_and_on_record_and_the_run_can_be_verified(tmp_path):
    place, home, folder = tmp_path / "place", tmp_path / "home", tmp_path / "run"
    place.mkdir()
    (place / "slow_models.py").write_text(MODULE)
    (place / "straggle").touch()
    ray = ["--engine", "ray", "--workers", "2"]
    sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    with Running(["run", "--quiet", *ray, "--out", str(folder), *sets], place, home) as running:
        assert running.end() == 0, running.last_words()
        assert running.left_over() == []  # the sleeper neither

    assert not (place / "straggle").exists()
    about = read_json(folder / "run.json")
    assert (about["status"], about["exit_code"]) == ("degraded", 0)
    lines = read_rounds(folder / "rounds.jsonl")[0]
    [late] = lines[1]["excluded"]
    assert (late["reason"], late["while"]) == ("did not reply in time", "train")
    assert not is_simulated_dropout(late)
    assert sorted([*lines[1]["aggregated"], late["partition"]]) == [0, 1, 2, 3]
    assert lines[1]["seconds"]["train"] >= TIMEOUT
    assert [line["excluded"] for line in lines[2:]] == [[], []]
    assert [line["aggregated"] for line in lines[2:]] == [[0, 1, 2, 3]] * 2

    # Nobody sleeps now: without the record the repetition would be another run.
    code, said = run_to_end(["verify", "--quiet", "--trust", str(folder)], place, home)
    assert code == 0, said
    assert said == f"verified: {folder}: same bytes, same history"
    assert late["reason"] in (folder / "log.txt").read_text()
