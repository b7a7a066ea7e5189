from typing import get_type_hints

import pytest

from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.errors import ConfigError
from fedrec.estimator.hyperparameters import (
    KEYS,
    Hyperparameters,
    estimator_config,
    hyperparameters_of,
)


def test_every_keyword_sets_a_key_of_its_type():
    flat = flatten(Config())
    assert get_type_hints(Hyperparameters) == {name: type(flat[key]) for name, key in KEYS.items()}


def test_keywords_come_back_from_the_config_they_made():
    given = {"width": 32, "epochs": 3, "loss": "bce", "semantics_width": 9, "seed": 4}
    assert hyperparameters_of(estimator_config({}, given)) == given


def test_keywords_win_over_keys():
    assert estimator_config({"model.width": 8}, {"width": 16}).model.width == 16
    assert estimator_config({"scenario.cold-items": 0.1}, {}).scenario.cold_items == 0.1


@pytest.mark.parametrize(
    ("typed", "problems"),
    [
        ({"epochs": "a"}, ["epochs must be a whole number, got 'a' (str)"]),
        (
            {"wdth": -1, "epohs": 0},
            ["unknown hyperparameter 'wdth'; did you mean", "unknown hyperparameter 'epohs'; did"],
        ),
        ({"mix": "sum"}, ["hyperparameter 'mix' was renamed to 'fusion'; set fusion = 'sum'"]),
    ],
)
def test_problems_are_told_in_the_words_of_the_user(typed, problems):
    with pytest.raises(ConfigError) as caught:
        estimator_config({}, typed)
    for seen, begins in zip(caught.value.problems, problems, strict=True):
        assert seen.startswith(begins)


def test_a_key_of_the_settings_keeps_its_name():
    with pytest.raises(ConfigError, match=r"^model.width must be a whole number"):
        estimator_config({"model.width": "a"}, {})
