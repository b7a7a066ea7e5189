"""Where every user is a client, one seed gives one hash on every engine, killed or not."""

from functools import cache

import pytest

from experiments.chaos.running import Running, run_to_end
from experiments.chaos.tries import num_lines
from experiments.reproducibility.same_bytes import ENGINES, read_left, run_case, settings
from experiments.reproducibility.verify import compare
from fedrec.runs.record import read_json

pytestmark = pytest.mark.slow

# Beside the case that all strategies' test has on two workers: rows that are means over some.
SPARSE = {
    "strategy.name": "fedavg",
    "strategy.options": "",
    "federation.row-averaging": "sparse",
    "federation.sampling": "fixed",
    "federation.upload": "float32",
    "federation.download": "float16",
    "federation.clip-norm": 0.5,
    "local.windows": 0,
}
CASES = {"adam": {}, "sparse": SPARSE}


def words_of(case, **more):
    changes = CASES[case] | {key.replace("_", "."): value for key, value in more.items()}
    told = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    return [*settings("synthetic", "server-adam over users"), *told]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("users")


@pytest.fixture(scope="module")
def left(place):
    """``left(case, engine)``: what a run left; each is run once."""

    @cache
    def run(case, engine):
        folder = place / f"{case}-{engine.replace(' ', '')}"
        return run_case(engine, words_of(case), folder, place / "home")

    return run


@pytest.mark.parametrize(("case", "engine"), [("sparse", "ray x2"), ("adam", "flower")])
def test_users_train_to_the_bytes_of_inline(left, case, engine):
    one, other = left(case, engine), left(case, "inline")
    assert one.lines == other.lines
    assert one.model == other.model
    assert one.weights == other.weights


@pytest.mark.parametrize("case", CASES)
def test_what_is_compared_is_not_easy(left, case):
    run = left(case, "inline")
    trained = [line for line in run.lines if line["round"]]
    assert all(line["users"]["aggregated"] < line["users"]["sampled"] for line in trained)
    assert len({line["users"]["sampled"] for line in trained}) == (1 if case == "sparse" else 4)
    assert sum(line["best"] for line in run.lines) > 1  # the model is not the first one
    assert left("sparse", "inline").model != left("adam", "inline").model


@pytest.mark.parametrize(("first", "second"), [("ray x2", "inline"), ("inline", "ray x2")])
def test_a_killed_run_over_users_goes_on_on_another_engine_to_the_same_bytes(
    place, tmp_path, first, second
):
    many = {"federation_rounds": 12, "run_checkpoint-every": 2, "federation_evaluate-every": 1}
    words, home = words_of("adam", **many), place / "home"
    whole, folder = place / "whole", tmp_path / "run"
    if not whole.exists():
        run_case("inline", words, whole, home)
    command = ["run", "--quiet", *ENGINES[first], "--out", str(folder), *words]
    with Running(command, tmp_path, home) as running:
        assert running.wait_until(lambda: num_lines(folder) > 4, every=0.02), running.last_words()
        running.kill()
        assert running.left_over() == []
    assert read_json(folder / "run.json")["status"] == "running"
    going_on = ["resume", "--quiet", str(folder), *ENGINES[second]]
    code, said = run_to_end(going_on, tmp_path / "again", home)
    assert code == 0, said
    assert compare(whole, folder) == []
    assert read_left(whole) == read_left(folder)
