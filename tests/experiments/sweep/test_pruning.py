"""Where configs are compared on their way, and which of them go on."""

import pytest

from experiments.sweep.pruning import Pruning
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError, ResourceError


def configs(*changes):
    return [read_config({"federation.rounds": 20} | one) for one in changes]


def test_rungs_are_evaluated_rounds_before_the_last():
    [plain] = configs({})
    assert Pruning("median").rungs([plain]) == [5, 10, 15]
    assert Pruning("halving").rungs([plain]) == [3, 7]  # 20/9 and 20/3, rounded up
    [seldom] = configs({"federation.evaluate-every": 4})
    assert Pruning("median").rungs([seldom]) == [8, 12, 16]
    assert Pruning("median", (3, 4, 20, 90)).rungs([seldom]) == [4]


def test_without_a_round_to_compare_at_it_is_refused():
    with pytest.raises(
        ConfigError, match=r"--prune has no round to compare configs at: federation\.rounds = 1"
    ):
        Pruning("median").rungs(configs({"federation.rounds": 1}))


def test_configs_whose_validation_cannot_be_compared_are_refused():
    with pytest.raises(ConfigError, match=r"the grid varies federation\.rounds; leave --prune out"):
        Pruning("median").rungs(configs({}, {"federation.rounds": 30}))
    with pytest.raises(ConfigError, match=r"varies evaluation\.protocol"):
        Pruning("median").rungs(configs({}, {"evaluation.protocol": "candidates-20"}))


def test_a_rule_or_a_round_that_is_none_is_refused(monkeypatch):
    with pytest.raises(ConfigError) as caught:
        Pruning("best", (0,)).check()
    assert caught.value.problems == (
        "--prune must be one of median, halving, got 'best'",
        "--prune-at must be rounds of 1 or more, got 0",
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"--prune needs optuna, which the extra sweep holds"):
        Pruning("median").check()


@pytest.mark.parametrize(
    ("rule", "values", "kept"),
    [
        ("median", [0.1, 0.2, 0.3], {1, 2}),  # the median is .2, and .2 is not below it
        ("median", [0.4, 0.2, 0.3, 0.1], {0, 2}),  # the median is .25
        ("median", [0.2, 0.2], {0, 1}),
        ("median", [0.5], {0}),
        ("halving", [0.1, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.2], {1, 6, 7}),  # three of nine
    ],
)
def test_what_is_below_the_percentile_of_all_is_stopped(rule, values, kept):
    pytest.importorskip("optuna")
    found = Pruning(rule).going_on({str(n): value for n, value in enumerate(values)}, 5)
    assert found == {str(n) for n in kept}
