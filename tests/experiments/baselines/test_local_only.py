"""`fedrec baseline local-only`: a client trains as if nobody else were there."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import experiments.baselines.local
from experiments.baselines.local_common import Evaluator
from experiments.baselines.local_users import OneAtATime, checkpoints, local_only_plan, train_users
from experiments.baselines.run import centralised_config, run_baseline
from experiments.reproducibility.verify import verify
from experiments.resume import resume, where_it_goes_on
from fedrec.config.config import Config
from fedrec.config.keys import read_config
from fedrec.data.preparation.store import Dataset
from fedrec.data.scenarios import TrainingView
from fedrec.data.sequences import Sequences
from fedrec.data.splits import training_part
from fedrec.errors import ConfigError, TrainingError
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.runs.record import read_run
from fedrec.runs.write import write_about
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.train import train_cohort
from tests.training.cohort.one_by_one import histories, loss_named, plan, shaken, update_of_one

USERS = {
    "federation.unit": "user",
    "federation.cohort": 30,
    "federation.rounds": 8,
    "local.optimizer-state": "reset",
    "local.optimizer": "sgd",
    "local.learning-rate": 1.0,
    "strategy.name": "server-adam",
    "strategy.options": "learning-rate = 0.01",
}


@pytest.fixture
def alone(small_home, tmp_path, monkeypatch):
    """``alone(config, name)`` makes a local reference without figures; its folder."""
    monkeypatch.setattr(experiments.baselines.local, "write_report", lambda path: None)

    def make(config: Config, name: str = "alone"):
        config = read_config({"run.dir": str(tmp_path / name)}, config)
        return run_baseline("local-only", config, tmp_path / name, lambda line: None)

    return make


def left(folder):
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    with np.load(folder / "ranks.npz") as packed:
        return lines, json.loads((folder / "metrics.json").read_text()), dict(packed)


# --- partitions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["keep", "reset"])
def test_a_partition_that_holds_everybody_does_what_its_federation_does(
    alone, run_inline, small_config, tmp_path, state
):
    config = small_config({"partition.count": 1, "local.optimizer-state": state})
    federated = run_inline(config, tmp_path / "federated")
    mine, theirs = left(alone(config)), left(federated)
    for name, ranks in theirs[2].items():
        np.testing.assert_array_equal(mine[2][name], ranks)
    for line, other in zip(mine[0], theirs[0], strict=True):
        assert (line["train_loss"], line["validation"]) == (
            other["train_loss"],
            other["validation"],
        )
    assert mine[1]["best_rounds"] == [theirs[1]["best_round"]]


def test_a_partition_learns_nothing_from_the_others(alone, small_config, monkeypatch):
    """What partition 0 comes to is the same when it alone is trained."""
    config = small_config({"local.learning-rate": 0.02})
    folder = alone(config)
    _, _, ranks = left(folder)
    users = read_run(folder).users
    real = experiments.baselines.local_partitions.fit

    def only_the_first(*arguments, partition, **keywords):
        keywords["plan"] = dataclasses.replace(keywords["plan"], epochs=1 + (partition > 0))
        return real(*arguments, partition=partition, **keywords)

    monkeypatch.setattr(experiments.baselines.local_partitions, "fit", only_the_first)
    _, _, others = left(alone(config, "others"))
    is_first = users["partition"].to_numpy() == 0
    np.testing.assert_array_equal(ranks["rank_full"][is_first], others["rank_full"][is_first])
    assert (ranks["rank_full"][~is_first] != others["rank_full"][~is_first]).any()


def test_a_reference_of_partitions_leaves_a_run_folder_without_a_model(alone, small_config):
    folder = alone(small_config())
    run = read_run(folder)
    assert run.about["engine"] == "baseline (local-only)"
    assert [line["round"] for line in run.history] == [0, 1, 2]
    assert len(run.metrics["best_rounds"]) == 3
    assert run.best_round is None
    assert set(run.metrics["baselines"]) == {"popularity", "oracle"}
    assert run.history[-1]["bytes_down"] == run.history[-1]["bytes_up"] == 0
    assert not (folder / "model.safetensors").exists()
    assert "there is no model.safetensors" in repr(run)


# --- users --------------------------------------------------------------------------------------


def two_users():
    """Two users over 40 items, and one who has a single training event."""
    rows = [[3, 9, 4, 17, 5, 30, 8], [11, 2, 7, 21, 6, 1], [5, 6, 7]]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(np.concatenate(rows).astype(np.int32), offsets)


def evaluator_of(sequences, catalogue):
    data = Dataset("two", catalogue, sequences, ["a", "b", "c"], {}, "", {})
    view = TrainingView(training_part(sequences))
    return Evaluator(read_config({"model.max-length": 10}), data, view, None, None)


@pytest.mark.parametrize("loss", ["bce", "sampled-softmax"])
def test_two_users_alone_equal_a_plain_loop(make_tiny, catalogue, loss):
    sequences = two_users()
    training = training_part(sequences)
    model = shaken(make_tiny(frequency=np.zeros(41)), torch.float64)
    config = read_config({"seed": 7, "loss.name": loss, "loss.negatives": 6})
    work = plan(steps=8, optimizer="adam", learning_rate=0.02)
    evaluator = evaluator_of(sequences, catalogue)
    got = train_users(config, work, training, model, evaluator, lambda done, total: None)

    values = {}
    for steps in (0, 2, 4, 6, 8):
        scores = []
        for user in (0, 1, 2):
            own = model_of_one(model, training, user, steps, loss)
            scorer = model_scorer(own, 40, 10)
            for stage in ("validation", "test"):
                found = evaluator.ranks(scorer, np.array([user]), stage)
                values[steps, user, stage] = found.ranks["full"][0]
            rank = values[steps, user, "validation"]
            scores.append(1 / np.log2(1 + rank) if rank <= 10 else 0.0)
        values[steps] = np.mean(scores)
    best = max((0, 2, 4, 6, 8), key=lambda steps: (values[steps], -steps))
    assert got.kept == {"best_round": best}
    for stage, found in got.final.items():
        assert list(found.users) == [0, 1, 2]
        assert list(found.ranks["full"]) == [values[best, user, stage] for user in (0, 1, 2)]
    for steps, tally in got.tallies.items():
        ranks = [part.ranks["full"][0] for part in sorted(tally.ranks, key=lambda p: p.users[0])]
        assert ranks == [values[steps, user, "validation"] for user in (0, 1, 2)]


def model_of_one(model, training, user, steps, loss):
    """The model after a user's steps, by a loop with torch.optim that knows its own counts."""
    history = np.asarray(training.of(user))
    own = OneAtATime(model).model
    own.frequency.copy_(torch.from_numpy(np.bincount(history, minlength=41)))
    if steps and len(history) > 1:
        work = plan(steps=steps, optimizer="adam", learning_rate=0.02)
        moved, _ = update_of_one(own, history, work, loss_named(loss), user, 1)
        with torch.no_grad():
            for name, parameter in own.named_parameters():
                parameter.add_(moved[name])
    return own


# A bias of keys has no gradient but rounding, which Adam scales up: no float32 for its weights.
@pytest.mark.parametrize(("optimizer", "dtype"), [("sgd", torch.float32), ("adam", torch.float64)])
def test_the_group_size_moves_no_users_weights(make_tiny, optimizer, dtype):
    training = histories(2, 3, 5, 9, 12, 21, 31)
    model = shaken(make_tiny(), dtype)
    seen = []
    for tokens in (1, 40, 4096):
        own, found = OneAtATime(model), {}

        def look(now, own=own, found=found):
            for place, one in enumerate(now.group):
                own.take_on(now.weights, place, np.ones(41))
                arrays = own.model.state_dict().items()
                found[one.user, now.steps] = {n: a.numpy().copy() for n, a in arrays}

        train_cohort(
            model,
            training,
            np.arange(7),
            plan=plan(optimizer=optimizer, group_tokens=tokens),
            loss=CohortLoss(name="bce", num_items=40),
            seed=7,
            round=1,
            watch=look,
        )
        seen.append(found)
    assert sorted(seen[0]) == [(user, steps) for user in range(7) for steps in range(4)]
    for found in seen[1:]:
        for key, arrays in seen[0].items():
            for name, array in arrays.items():
                np.testing.assert_allclose(found[key][name], array, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_users_alone_leave_the_same_bytes_twice_and_are_verified(alone, small_config):
    folder = alone(small_config(USERS))
    lines, metrics, ranks = left(folder)
    # 8 rounds of 30 of the 60 users: 4 turns each on average, one pass a turn.
    assert [line["round"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line["passes"] for line in lines] == [0, 1, 2, 3, 4]
    assert lines[-1]["users"] == {"sampled": 60, "aggregated": 60}
    assert [line["best"] for line in lines].count(True) >= 1
    assert metrics["best_round"] == max(line["round"] for line in lines if line["best"])
    assert len(ranks["rank_full"]) == 60
    assert lines[-1]["train_loss"] < lines[1]["train_loss"]
    assert verify(folder, engine=None, command="test") == []


def test_the_work_of_a_user_alone_is_that_of_the_federation(small_config, tmp_path):
    config = small_config(USERS | {"federation.rounds": 3780, "federation.cohort": 32})
    optimizer = centralised_config(config, tmp_path).local
    work = local_only_plan(config, optimizer, 6040)
    # 3780 * 32 / 6040 = 20.03 passes, by the server's Adam with the optimiser's usual state.
    assert (work.steps, work.optimizer, work.learning_rate) == (20, "adam", 0.01)
    assert local_only_plan(config, optimizer, 10**6).steps == 1
    assert checkpoints(20) == [0, 5, 10, 15, 20]
    assert checkpoints(1) == [0, 1]


def test_a_cohort_of_more_users_than_there_are_is_refused_here_too(alone, small_config):
    with pytest.raises(ConfigError, match=r"federation\.cohort is 60, but 59 users have two"):
        alone(small_config(USERS | {"federation.cohort": 60}))


def test_a_user_whose_training_diverges_is_named(alone, small_config):
    wild = USERS | {"strategy.name": "fedavg", "strategy.options": "", "local.learning-rate": 1e30}
    with pytest.raises(TrainingError, match=r"training of user \d+ alone diverged within 1 steps"):
        alone(small_config(wild))


# --- what it is not -----------------------------------------------------------------------------


def test_a_local_only_baseline_is_not_resumed(alone, small_config, tmp_path):
    folder = alone(small_config())
    about = json.loads((folder / "run.json").read_text())
    write_about(folder / "run.json", about | {"status": "interrupted"})
    assert where_it_goes_on(folder) == []
    for engine in (None, "inline"):
        with pytest.raises(ConfigError, match="keeps no weights, so there is nothing to resume"):
            resume(folder, engine=engine, command="test")


def test_a_local_only_baseline_is_verified_on_no_engine(alone, small_config):
    with pytest.raises(ConfigError, match="no federation: leave --engine inline out"):
        verify(alone(small_config()), engine="inline", command="test")


def test_an_unknown_kind_is_refused_by_name(small_config, tmp_path):
    with pytest.raises(ConfigError, match=r"local-only, centralised, popularity, .*, got 'alone'"):
        run_baseline("alone", small_config(), tmp_path / "x", lambda line: None)
