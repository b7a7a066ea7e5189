"""Which runs are seeds of one config, and how configs are called."""

import pytest

from fedrec.errors import ConfigError
from fedrec.report.comparison.groups import chosen_group, group_runs
from fedrec.runs.record import read_run


def groups(*folders):
    return group_runs(read_run(folder) for folder in folders)


def told(*folders):
    return {group.label: list(group.runs) for group in groups(*folders)}


def test_seeds_of_a_config_are_one_group_called_by_what_differs(write_run):
    found = told(
        write_run("a", [1], 1, strategy__name="fedadam"),
        write_run("b", [1], 0),
        write_run("c", [1], 0, strategy__name="fedadam"),
    )
    assert found == {"strategy.name=fedadam": [0, 1], "strategy.name=fedavg": [0]}


def test_where_a_run_lies_and_computes_makes_no_group(write_run):
    found = told(
        write_run("a", [1], 0, device="cpu", data__source="/here/events.csv"),
        write_run("b", [1], 1, run__name="other", data__source="/there/events.csv"),
    )
    assert found == {"a": [0, 1]}


def test_kernels_that_were_found_are_those_that_were_asked_for(write_run):
    native = {"kernel": {"name": "native", "sha256": "0" * 64}}
    found = told(
        write_run("a", [1], 0, about=native, local__kernel="auto"),
        write_run("b", [1], 1, about=native, local__kernel="native"),
        write_run("c", [1], 0, about={"kernel": {"name": "torch"}}, local__kernel="auto"),
        write_run("d", [1], 1, local__kernel="torch"),
    )
    assert found == {"local.kernel=native": [0, 1], "local.kernel=torch": [0, 1]}


def test_keys_that_a_loss_does_not_read_tell_no_groups_apart(write_run):
    softmax = {"loss__name": "softmax"}
    found = told(
        write_run("a", [1], 0, loss__negatives=256, **softmax),
        write_run("b", [1], 1, loss__negatives=1024, loss__log_q=False, **softmax),
        write_run("c", [1], 0, loss__negatives=256),
        write_run("d", [1], 0, loss__negatives=1024, loss__calibration=0.5),
        write_run("e", [1], 1, loss__negatives=1024),
    )
    assert list(found.values()) == [[0, 1], [0], [0, 1]]
    assert [label.count("=") for label in found] == [2, 2, 2]
    assert all(label.startswith("loss.name=") for label in found)


def test_a_label_of_many_keys_holds_those_that_tell_the_groups_apart(write_run):
    many = {"local__epochs": 2, "local__batch_size": 16, "model__width": 32, "loss__negatives": 9}
    [first, second] = told(write_run("a", [1]), write_run("b", [1], **many))
    assert first.count("=") == second.count("=") == 1
    assert first != second


def test_a_baseline_is_called_by_its_kind(write_run):
    engine = {"engine": "baseline (popularity)"}
    found = told(
        write_run("a", [1]),
        write_run("b", [1], strategy__name="fedadam"),
        write_run("c", [1], about=engine, partition__count=1),
    )
    assert list(found) == ["strategy.name=fedavg", "strategy.name=fedadam", "popularity"]


def test_a_config_of_before_a_key_is_at_its_default(write_run):
    before = write_run("a", [1])
    text = (before / "config.toml").read_text()
    (before / "config.toml").write_text(text.replace("keep = 1.0\n", ""))
    assert "keep = 1.0" in text
    assert told(before, write_run("b", [1], 1)) == {"a": [0, 1]}


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_a_run_that_is_not_complete_is_refused(write_run, status):
    folder = write_run("a", [1], about={"status": status})
    with pytest.raises(ConfigError, match=f"a holds a run that is {status}, not a complete one"):
        groups(folder)


def test_a_default_that_followed_the_data_makes_no_group_but_a_written_value_does(write_run):
    def adapted(items):
        return {"adapted": [f"loss.negatives is {items}, not 256: the catalogue has {items} items"]}

    found = told(
        write_run("a", [1], 0, loss__negatives=76, about=adapted(76)),
        write_run("b", [1], 1, loss__negatives=79, about=adapted(79)),
        write_run("c", [1], 0, loss__negatives=76),
    )
    assert found == {"loss.negatives=256": [0, 1], "loss.negatives=76": [0]}


def test_a_run_that_comes_twice_is_refused(write_run):
    folder = write_run("a", [1], 3)
    with pytest.raises(ConfigError, match=r"has the config and the seed 3 of .*leave one of them"):
        groups(folder, folder)


def test_no_run_is_refused():
    with pytest.raises(ConfigError, match="at least one run, got none"):
        groups()


def test_a_group_is_chosen_by_a_part_of_its_label_or_by_a_run(write_run):
    found = groups(write_run("a", [1]), write_run("b", [1], strategy__name="fedadam"))
    for name in ("fedadam", "strategy.name=fedadam", "b"):
        assert chosen_group(found, name) is found[1]
    with pytest.raises(ConfigError, match="names 2 groups; expected a part of one of: strategy"):
        chosen_group(found, "fed")
    with pytest.raises(ConfigError, match="--against sgd names no group"):
        chosen_group(found, "sgd")
