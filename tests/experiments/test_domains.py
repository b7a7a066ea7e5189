"""Two silos with catalogues of their own, from the source to the report."""

import io
import re

import numpy as np
import pytest

import fedrec
from experiments.describe import describe
from experiments.settings import resolve
from fedrec.errors import ConfigError, ResourceError
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared
from fedrec.report.page import render_page
from fedrec.runs.record import read_json, read_run

SILOS = {
    "data.source": "synthetic:users=40,items=80 + synthetic:users=30,items=60",
    "data.min-item-events": 1,
    "partition.by": "domain",
    "partition.count": 2,
    "model.views": "semantic",
    "federation.rounds": 1,
}


def test_a_federation_of_silos_ranks_each_user_among_its_own_items(run_inline, small_config):
    config = small_config(SILOS)
    folder = run_inline(config)
    dataset = open_prepared(config).dataset
    domains = dataset.domains
    about, metrics = read_json(folder / "run.json"), read_json(folder / "metrics.json")
    sizes = [len(items) for items in domains.catalogues]
    assert about["data"]["domains"] == dict(zip(domains.names, sizes, strict=True))
    slices = {part["slice"]: part["users"] for part in metrics["slices"]["domain"]}
    assert slices == dict(zip(domains.names, np.bincount(domains.of_user).tolist(), strict=True))
    ranks = np.load(folder / "ranks.npz")
    assert (ranks["rank_full"] <= np.array(sizes)[domains.of_user[ranks["user"]]]).all()
    ready, ids = fedrec.open_recommender(folder), ["", *dataset.catalog.item_ids]
    histories = [[ids[item] for item in dataset.sequences.of(user)[:-1]] for user in ranks["user"]]
    targets = [ids[dataset.sequences.of(user)[-1]] for user in ranks["user"]]
    found = [ready.rank_of(*pair) for pair in zip(targets, histories, strict=True)]
    assert found == ranks["rank_full"].tolist()
    page = render_page(read_run(folder), [])
    assert "Every user is offered the items of one domain only" in page


def test_describe_shows_the_domains(fedrec_home, small_config):
    from rich.console import Console

    console = Console(record=True, width=120, file=io.StringIO())
    for part in describe(small_config(SILOS)):
        console.print(part)
    words = console.export_text()
    assert "catalogues of their own" in words
    assert re.search(r"synthetic-2 +│ +30 │ +\d+ │ +\d+ │", words)


def test_users_as_clients_are_refused_with_several_domains(fedrec_home, small_config):
    users = {"federation.unit": "user", "local.optimizer-state": "reset", "federation.cohort": 4}
    with pytest.raises(ConfigError, match=r"federation\.unit must be 'partition'"):
        check_fit(small_config(SILOS | users))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("loss.negatives", 70, "the smallest catalogue has"),
        ("evaluation.at", "10,70", "only"),
    ],
)
def test_the_smallest_catalogue_bounds_what_is_drawn_and_ranked(
    fedrec_home, small_config, key, value, words
):
    with pytest.raises(ConfigError, match=words):
        check_fit(small_config(SILOS | {key: value}))


@pytest.mark.parametrize("preset", ["beauty", "domains"])
def test_presets_of_data_that_nobody_publishes_say_what_to_set(fedrec_home, preset):
    with pytest.raises(ResourceError, match=r"amazon-beauty-2014 .*--set data\.source=PATH"):
        check_fit(resolve(preset, []))
