"""`evaluation.validation-users`: the validation items of all other users are trained on."""

import numpy as np
import pytest

from experiments.baselines.run import run_baseline
from experiments.reproducibility.compare import compare
from fedrec.config.keys import read_config
from fedrec.data.evaluated import evaluated_users
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.protocols import describe, metric_label
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared
from fedrec.runs.record import read_run

SOME = {"evaluation.validation-users": 15}


def test_all_others_train_on_one_event_more(small_home, small_config):
    whole, some = open_prepared(small_config()), open_prepared(small_config(SOME))
    validates = evaluated_users(60, "validation", seed=0, validation=15)
    assert validates.sum() == 15
    sequences = some.dataset.sequences
    for user in range(60):
        events, held_out = sequences.of(user), 2 if validates[user] else 1
        np.testing.assert_array_equal(some.view.training.of(user), events[:-held_out])
    np.testing.assert_array_equal(some.assignment, whole.assignment)
    assert evaluated_users(60, "test", seed=0, validation=15).all()
    both = evaluated_users(60, "validation", seed=0, validation=15, sample=4)
    assert both.sum() == 4
    assert (both <= validates).all()


def test_a_run_validates_on_some_users_tests_on_all_and_says_so(run_inline, small_config, undrawn):
    folder = run_inline(small_config(SOME))
    run = read_run(folder)
    assert run.protocol == "full+15-validation-users"
    assert run.metrics["validation"]["NDCG@10"]["users"] == 15
    assert run.metrics["test"]["NDCG@10"]["users"] == 60
    # All events but two of each user, and one more of each of the 45 others.
    events = open_prepared(small_config()).dataset.sequences.num_events
    assert open_prepared(small_config(SOME)).view.training.num_events == events - 2 * 60 + 45
    other = run_inline(small_config({"run.name": "plain"}))
    with pytest.raises(DataError, match="differ in protocol"):
        compare(folder, other)


def test_it_is_part_of_the_name_of_a_figure():
    name = "uniform-99+15-validation-users+query-time"
    assert metric_label("NDCG@10", "full+15-validation-users") == "NDCG@10 (15 validation users)"
    assert metric_label("HR@5", name) == (
        "HR@5 (99 sampled, 15 validation users, query time known)"
    )
    assert "15 users, drawn by the seed, are validated on" in describe(name, 100)


def test_what_does_not_go_with_it_is_refused(small_home, small_config, tmp_path):
    with pytest.raises(ConfigError, match=r"validation-users is 61, but 60 users are evaluated at"):
        check_fit(small_config({"evaluation.validation-users": 61}))
    with pytest.raises(ConfigError, match=r"validation-users must be 0 with scenario\.\*"):
        read_config(SOME | {"scenario.keep": 0.5})
    with pytest.raises(ConfigError, match=r"validation-users must be 0 for a local-only baseline"):
        run_baseline("local-only", small_config(SOME), tmp_path / "local", lambda line: None)
