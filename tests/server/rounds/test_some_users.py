"""Runs that evaluate some of the users: a seeded sample, or users whom no training has seen."""

import numpy as np
import pytest

from clients.local_data import open_local_data
from experiments.baselines.run import run_baseline
from experiments.reproducibility.compare import compare
from fedrec.data.evaluated import evaluated_users
from fedrec.errors import ConfigError
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared
from fedrec.runs.record import read_run

SAMPLE = {"evaluation.users": 2}  # of 60 in 3 partitions: one of them has nobody to evaluate
UNSEEN = {"scenario.unseen-users": 0.2}


def ranked(folder):
    with np.load(folder / "ranks.npz") as packed:
        return dict(packed)


def test_a_sample_is_ranked_as_everybody_is_and_says_that_it_is_one(
    run_inline, small_home, small_config, tmp_path, undrawn
):
    def counted(changes, name):  # trains nothing: no round is picked by whom is evaluated
        return run_baseline("markov", small_config(changes), tmp_path / name, lambda line: None)

    whole, some = ranked(counted({}, "whole")), ranked(counted(SAMPLE, "counted"))
    drawn = np.flatnonzero(evaluated_users(60, "test", seed=0, sample=2))
    np.testing.assert_array_equal(some["user"], drawn)
    np.testing.assert_array_equal(some["rank_full"], whole["rank_full"][drawn])
    folder = run_inline(small_config(SAMPLE | {"run.name": "some"}))
    run = read_run(folder)
    assert run.protocol == "full+2-users"
    assert run.metrics["test"]["HR@10"]["users"] == 2
    assert run.metrics["baselines"]["popularity"]["test"]["HR@10"]["users"] == 2
    other = run_inline(small_config(SAMPLE | {"run.name": "other", "local.learning-rate": 0.1}))
    assert compare(folder, other)["NDCG@10"]["users"] == 2  # runs of one seed pair


def test_a_sample_of_one_person_clients_is_sent_less(run_inline, small_config, undrawn):
    users = {
        "federation.unit": "user",
        "federation.cohort": 5,
        "local.optimizer-state": "reset",
        "federation.rounds": 1,
    }

    def bytes_of(changes, name):
        folder = run_inline(small_config(users | changes | {"run.name": name}))
        return read_run(folder).history[-1]["bytes_evaluate"]

    assert bytes_of({"evaluation.users": 15}, "some") == bytes_of({}, "whole") / 4


def test_unseen_users_are_evaluated_and_not_trained_on(run_inline, small_config, undrawn):
    config = small_config(UNSEEN)
    folder = run_inline(config)
    found, prepared = ranked(folder), open_prepared(config)
    test = evaluated_users(60, "test", seed=0, unseen=0.2)
    np.testing.assert_array_equal(found["user"], np.flatnonzero(test))
    validation = read_run(folder).history[-1]["validation_users"]
    assert validation == test.sum() == 12
    unseen = test | evaluated_users(60, "validation", seed=0, unseen=0.2)
    training = prepared.view.training
    assert (training.lengths() == 0).tolist() == unseen.tolist()
    counts = np.bincount(training.items, minlength=61)[1:]
    with (folder / "items.csv").open() as file:
        told = [int(line.rstrip().rpartition(",")[2]) for line in list(file)[1:]]
    assert told == counts[: len(told)].tolist()
    local = open_local_data(config, 0)
    assert (local.targets == 0).tolist() == unseen[local.users].tolist()
    # They read their whole histories, as they would be without training.
    for stage, back in (("validation", 2), ("test", 1)):
        before = prepared.view.before(stage)
        for user in np.flatnonzero(unseen):
            whole = prepared.dataset.sequences.of(user)
            np.testing.assert_array_equal(before.of(user), whole[:-back])


@pytest.mark.parametrize(("changes", "key"), [(SAMPLE, "users"), (UNSEEN, "unseen-users")])
def test_a_local_only_baseline_is_of_everybody(changes, key, small_home, small_config, tmp_path):
    with pytest.raises(ConfigError, match=rf"{key} must be 0 for a local-only baseline"):
        run_baseline("local-only", small_config(changes), tmp_path / "x", lambda line: None)


def test_what_the_data_cannot_meet_is_refused_before_a_run(small_home, small_config):
    with pytest.raises(ConfigError, match=r"evaluation.users is 61, but 60 users are evaluated"):
        check_fit(small_config({"evaluation.users": 61}))
    with pytest.raises(ConfigError, match=r"evaluation.users is 20, but 12 users are evaluated"):
        check_fit(small_config(UNSEEN | {"evaluation.users": 20}))
    with pytest.raises(ConfigError, match=r"scenario.unseen-users must be at least 0 and below"):
        small_config({"scenario.unseen-users": 0.5})


def test_a_model_with_a_row_for_each_user_knows_no_unseen_ones(small_config):
    mf = {"model.name": "bpr-mf", "loss.name": "bpr", "local.windows": 0}
    with pytest.raises(ConfigError, match=r"unseen-users must be 0 for model.name = 'bpr-mf'"):
        small_config(mf | UNSEEN)
