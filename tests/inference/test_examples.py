"""A few users with their histories in a report: only where asked for, and only who was told."""

import dataclasses

import pytest
from typer.testing import CliRunner

from experiments.cli.main import app
from fedrec.errors import ConfigError
from fedrec.inference.examples import example_users
from fedrec.report.page import render_page
from fedrec.runs.record import read_run


def test_the_test_item_stands_at_its_rank_among_the_first_ten(small_run, ready):
    run = read_run(small_run)
    people = example_users(run, 60)
    assert len(people) == 60
    hits = 0
    for one in people:
        row = run.users.set_index("user").loc[one.user]
        history = ready.dataset.sequences.of(one.user)[:-1]
        assert one.history == [ready.catalog.titles[item - 1] for item in history[-10:]]
        assert one.events == len(history)
        assert one.target == ready.catalog.titles[row["target"] - 1]
        places = [place for place, item in enumerate(one.top, start=1) if item.is_target]
        assert places == ([row["rank"]] if row["rank"] <= 10 else [])
        hits += len(places)
    assert hits > 0


def test_the_same_few_are_drawn_each_time_and_none_has_an_original_id_on_the_page(small_run):
    run = read_run(small_run)
    people = example_users(run, 2)
    assert people == example_users(run, 2)
    page = render_page(run, [], people)
    for one in people:
        assert f"User {one.user}, " in page
        assert one.history[-1] in page
        assert f">{run.users.set_index('user').loc[one.user, 'original_id']}<" not in page
    assert "Histories of people" in page
    assert "Histories of people" not in render_page(run, [])


@pytest.mark.parametrize("told", ["no column", "zeros"])
def test_of_a_private_run_nobody_is_shown(small_run, told):
    run = read_run(small_run)
    users = run.users.drop(columns="target") if told == "no column" else run.users.assign(target=0)
    with pytest.raises(ConfigError, match=r"no client of .* tells which items it holds out"):
        example_users(dataclasses.replace(run, users=users), 1)


def test_only_users_of_clients_that_tell_are_shown(small_run):
    run = read_run(small_run)
    users = run.users.assign(target=run.users["target"].where(run.users["partition"] == 1, 0))
    shown = example_users(dataclasses.replace(run, users=users), 100)
    assert {one.user for one in shown} == {*users[users["partition"] == 1]["user"]}


def test_fewer_than_one_user_is_refused(small_run):
    found = CliRunner().invoke(app, ["report", str(small_run), "--examples", "-1"])
    assert found.exit_code == 2
    assert "--examples must be 1 or more users, got -1" in found.output
