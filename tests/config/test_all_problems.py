"""All problems of a config are told at once, one line each."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.config.config import Config
from fedrec.config.keys import flatten, read_config
from fedrec.config.sections.local import Local
from fedrec.errors import ConfigError

FLAT = flatten(Config())


def problems_of(values):
    with pytest.raises(ConfigError) as caught:
        read_config(values)
    return caught.value.problems


def test_unknown_keys_wrong_types_ranges_and_contradictions_are_told_together():
    assert problems_of(
        {
            "local.batchsize": 3,
            "federation.rounds": "10",
            "model.mix": "sum",
            "local.learning-rate": -0.1,
            "evaluation.at": "5,20",
            "model.name": "bpr-mf",
        }
    ) == (
        "unknown key 'local.batchsize'; did you mean 'local.batch-size'?",
        "federation.rounds must be a whole number, got '10' (str)",
        "model.mix was renamed to model.fusion; set model.fusion = 'sum'",
        "local.learning-rate must be a finite number above 0, got -0.1",
        "evaluation.at must hold 10, which selects the best round, got '5,20'",
        "model.name = 'bpr-mf' is trained with loss.name = 'bpr', 'bce' or 'gbce', got "
        "'sampled-softmax'",
    )


def test_several_problems_read_as_a_list_and_one_as_its_own_line():
    assert str(ConfigError("a", "b")) == "2 problems:\n- a\n- b"
    assert str(ConfigError("a")) == "a"
    assert str(ConfigError()) == ""


def test_a_list_of_problems_survives_a_process_boundary():
    copy = pickle.loads(pickle.dumps(ConfigError("a", "b")))
    assert str(copy) == "2 problems:\n- a\n- b"


def test_a_section_made_in_python_tells_all_of_its_own():
    with pytest.raises(ConfigError) as caught:
        Local(epochs=0, optimizer="adm")
    assert caught.value.problems == (
        "local.epochs must be a whole number of 1 or more, got 0",
        "local.optimizer must be one of adam, adamw, sgd, got 'adm'; did you mean 'adam'?",
    )


@pytest.mark.parametrize(
    "values",
    [
        {"federation.unit": "users", "federation.cohort": 64},  # cohort is right for "user"
        {"model.width": "64", "model.heads": 3},  # the default width is not what was meant
        {"model.name": "hybird", "model.encoder": "gru"},  # right for "hybrid"
    ],
)
def test_what_may_only_follow_from_a_refused_value_is_not_told(values):
    assert len(problems_of(values)) == 1


def test_what_a_refused_value_has_no_part_in_is_told():
    found = problems_of({"federation.unit": "users", "model.private": "identity,gate"})
    assert [problem.split()[0] for problem in found] == ["model.private", "federation.unit"]


KINDS = {
    int: st.integers(-3, 2**64),
    float: st.floats(),
    bool: st.booleans(),
    str: st.sampled_from(["", "0", "10,ten", "gate-bias,identity", "user", "hybrid", "bert4rec"]),
}


@given(st.data())
def test_whatever_the_values_are_there_is_a_config_or_a_list_of_problems(data):
    keys = data.draw(st.lists(st.sampled_from(sorted(FLAT)), max_size=8, unique=True))
    values = {key: data.draw(KINDS[type(FLAT[key])]) for key in keys}
    try:
        config = read_config(values)
    except ConfigError as error:
        problems = error.problems
    else:
        problems = ("taken",) if values.items() <= flatten(config).items() else ()
    assert problems
    assert all("\n" not in problem for problem in problems)


def test_an_unknown_key_hides_no_later_problem():
    assert problems_of({"foo": 1, "federation.rounds": 0, "local.epochs": 0}) == (
        "unknown key 'foo'; `fedrec keys` lists the keys there are",
        "local.epochs must be a whole number of 1 or more, got 0",
        "federation.rounds must be a whole number of 1 or more, got 0",
    )
    # The key in the hint is not refused: what depends on it is told.
    assert len(problems_of({"rounds": 1, "local.batchsize": 1, "model.heads": 3})) == 3


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rounds", "federation.rounds"),
        ("local.rounds", "federation.rounds"),
        ("batch_size", "local.batch-size"),
        ("batchsize", "local.batch-size"),
        ("models.name", "model.name"),
        ("sed", "seed"),
    ],
)
def test_an_unknown_key_is_also_compared_with_the_last_part_of_keys(typed, meant):
    assert problems_of({typed: 1}) == (f"unknown key {typed!r}; did you mean {meant!r}?",)
