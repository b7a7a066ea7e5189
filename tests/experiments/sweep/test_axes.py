"""What is typed after --grid, as axes."""

import pytest

from experiments.sweep.axes import cases_axis, parse_axes
from fedrec.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("strategy.name=fedavg,fedadam", "strategy.name", ["fedavg", "fedadam"]),
        ("local.epochs = 1, 2", "local.epochs", [1, 2]),
        ("partition.alpha=[0.1, 1]", "partition.alpha", [0.1, 1]),
        ("evaluation.at=10,20", "evaluation.at", ["10", "20"]),  # a key that holds a string
        ('model.views="identity","identity,semantic"', "model.views",
         ["identity", "identity,semantic"]),
        ("strategy.options=proximal-mu = 0,proximal-mu = 1", "strategy.options",
         ["proximal-mu = 0", "proximal-mu = 1"]),
        ('model.time="",hour', "model.time", ["", "hour"]),
        ("semantics.whiten=true,false", "semantics.whiten", [True, False]),
    ],
)  # fmt: skip
def test_values_are_read_as_in_set_and_commas_in_quotes_part_nothing(text, key, values):
    [axis] = parse_axes([text])
    assert axis.name == key
    assert list(axis.changes) == [{key: value} for value in values]


def test_every_text_that_is_none_is_told_in_a_line():
    with pytest.raises(ConfigError) as caught:
        parse_axes(["epochs", "seed=", "model.width=8,,16", "model.time=hour", "model.time=gap"])
    assert caught.value.problems == (
        "--grid takes key=value,value, got 'epochs'",
        "--grid takes key=value,value, got 'seed='",
        '--grid model.width=8,,16: an empty value; write "" in quotes for an empty text',
        "--grid model.time is given twice; write all its values after one --grid",
    )


def test_a_case_sets_several_keys():
    cases = {"FedProx": {"strategy": {"name": "fedprox", "options": "proximal-mu = 0.1"}}}
    axis = cases_axis(cases, "g.toml")
    assert axis.names == ("FedProx",)
    assert axis.keys == ["strategy.name", "strategy.options"]
    with pytest.raises(ConfigError, match=r"g.toml: cases.FedAvg must be a table of keys"):
        cases_axis({"FedAvg": "fedavg"}, "g.toml")
