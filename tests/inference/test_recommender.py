"""What a run has learned, by ids: its users, other histories, and items added after training."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import fedrec
from experiments.cli.main import app
from fedrec.errors import ConfigError, DataError
from fedrec.factory.data import cold_items_of
from fedrec.inference.search import ItemSearch
from fedrec.models.recommender import catalogue_of
from fedrec.report.references import BASELINE_ENGINE
from fedrec.runs.record import read_json
from fedrec.runs.write import write_about

KNOWN = ("semantic", "content")


def as_new(ready, place):
    """Everything that the catalogue says of an item, for a new one."""
    old = ready.dataset.catalog
    return {
        "titles": [old.titles[place]],
        "genres": [old.genres[place]],
        "years": [old.years[place]],
        "descriptions": [old.descriptions[place]],
    }


def test_users_find_their_test_item_where_the_run_had_ranked_it(ready, small_run):
    users = pd.read_csv(small_run / "users.csv", dtype={"original_id": str})
    ids = ready.catalog.item_ids
    targets = [ids[number - 1] for number in users.target]
    histories = [
        [ids[number - 1] for number in ready.numbers(user)[:-1]] for user in users.original_id
    ]
    ranks = [ready.rank_of(*pair) for pair in zip(targets, histories, strict=True)]
    assert ranks == users["rank"].tolist()
    lists = ready.recommend_many(histories, k=10)
    hits = [
        target in [one.item for one in found] or target in history
        for target, found, history in zip(targets, lists, histories, strict=True)
    ]
    new = [target not in history for target, history in zip(targets, histories, strict=True)]
    assert [hit for hit, counts in zip(hits, new, strict=True) if counts] == [
        bool(hit) for hit, counts in zip(users["HR@10"], new, strict=True) if counts
    ]


def test_a_user_is_a_history_of_all_its_items(ready):
    user = ready.dataset.user_ids[3]
    items = [ready.catalog.item_ids[number - 1] for number in ready.numbers(user)]
    assert ready.recommend(user, k=4) == ready.recommend(items, k=4)
    assert not set(items) & {one.item for one in ready.recommend(user, k=60)}
    assert sum(ready.view_weights(user).values()) == pytest.approx(1)


def test_an_item_given_as_new_gets_its_own_meaning_and_content_back(ready):
    place = 16
    larger = ready.with_items(ids=["again"], **as_new(ready, place))
    for view in KNOWN:
        table = larger.search.model.views[view].table
        torch.testing.assert_close(table[-1], table[place + 1], atol=1e-5, rtol=0)


def test_new_items_change_no_score_of_the_others(ready):
    larger = ready.with_items(["The Long Voyage (1987)", "Another Song"], genres=[["Drama"], []])
    user = ready.dataset.user_ids[0]
    before, after = (one.recommend(user, k=100, exclude=False) for one in (ready, larger))
    assert [one for one in after if not one.item.startswith("new-")] == before
    assert ready.catalog.num_items + 2 == larger.catalog.num_items == len(after)


@pytest.mark.parametrize("added", [0, 1, 11])
def test_lists_are_the_same_in_any_company_of_users_and_new_items(ready, added):
    users = ready.dataset.user_ids
    alone = [ready.recommend(user, k=100) for user in users]
    titles = [f"Something New {number}" for number in range(added)]
    larger = ready.with_items(titles, genres=[["Drama"]] * added) if added else ready
    for size in (3, 37, 64):
        parts = [users[start : start + size] for start in range(0, len(users), size)]
        lists = [found for part in parts for found in larger.recommend_many(part, k=100)]
        assert [[one for one in found if "New" not in one.title] for found in lists] == alone


@pytest.mark.parametrize("start", ["text", "random"])
def test_a_cold_item_given_as_new_gets_its_own_vector_back(run_inline, small_config, start):
    """So that what is measured on cold items holds for items that come after training."""
    config = small_config({"scenario.cold-items": 0.2, "model.identity-start": start})
    ready = fedrec.open_recommender(run_inline(config))
    cold = cold_items_of(config.scenario, seed=config.seed, num_items=ready.catalog.num_items)[0]
    larger = ready.with_items(ids=["again"], **as_new(ready, cold - 1))
    tables = (larger.search.model.views[view].table for view in KNOWN)
    for rows in (larger.search.vectors, *tables):
        own, again = rows[[cold, -1]]
        torch.testing.assert_close(again, own, atol=1e-5, rtol=0)
    # In a history, too.
    lists = [
        [(one.item, round(one.score, 4)) for one in larger.recommend([item], k=5)]
        for item in ("again", ready.catalog.item_ids[cold - 1])
    ]
    twins = {"again", ready.catalog.item_ids[cold - 1]}
    ours, its = ([one for one in found if one[0] not in twins][:4] for found in lists)
    assert ours == its


def test_a_new_item_has_no_identity_where_none_came_from_the_text(run_inline, small_config):
    ready = fedrec.open_recommender(run_inline(small_config({"model.identity-start": "random"})))
    larger = ready.with_items(ids=["again"], **as_new(ready, 16))
    model = ready.search.model
    unseen = model.output_vectors(model.look_up(torch.tensor([17]), unknown=torch.tensor([True])))
    torch.testing.assert_close(larger.search.vectors[-1], unseen[0], atol=1e-6, rtol=0)


def test_items_can_be_added_to_items_that_were_added(ready):
    both = ready.with_items(["One", "Two"])
    one_by_one = ready.with_items(["One"]).with_items(["Two"])
    assert one_by_one.catalog == both.catalog
    assert torch.equal(one_by_one.search.vectors, both.search.vectors)
    whole = catalogue_of(both.search.model, both.catalog.num_items).vectors
    assert torch.equal(both.search.vectors, whole)


def test_unknown_genres_are_left_out_and_counted(ready, caplog):
    plain, odd = (ready.with_items(["X"], genres=[names]) for names in ([], ["Jazz", "Opera"]))
    assert "left out: 2 ('Jazz', 'Opera')" in caplog.text
    tables = [one.search.model.views["content"].table for one in (plain, odd)]
    assert torch.equal(*tables)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: r.recommend("nobody"), "user 'nobody' is none of the 60 users"),
        (lambda r: r.recommend(["no such"]), "item 'no such' is none of the"),
        (lambda r: r.recommend([]), "the history is empty"),
        (
            lambda r: r.recommend(r.dataset.user_ids[0], k=0),
            "k must be a whole number of 1 or more, got 0",
        ),
        (lambda r: r.recommend(r.dataset.user_ids[0], k="3"), "of 1 or more, got '3'"),
        (lambda r: r.nearest(r.catalog.item_ids[0], k=0), "of 1 or more, got 0"),
        (lambda r: r.recommend(17), "user's id as text, got 17"),
        (lambda r: r.recommend([None]), "item None is none of the"),
        (lambda r: r.recommend_many("u1"), "takes a list of histories"),
        (lambda r: r.with_items("A Title"), "a list of at least one title"),
        (lambda r: r.with_items(["A"], ids=r.catalog.item_ids[:1]), "is taken"),
        (lambda r: r.with_items(["A"], columns={"brand": ["B"]}), "no column 'brand'"),
        (lambda r: r.with_items([None]), "each entry of titles must be text, got None"),
        (
            lambda r: r.with_items(["A"], years=["1994"]),
            "must be a whole number or None, got '1994'",
        ),
        (lambda r: r.with_items(["A"], genres=["Drama"]), "must be a list of names, got 'Drama'"),
        (lambda r: r.with_items(["A"], ids="A"), "ids must be a list, an entry for each new item"),
        (
            lambda r: r.with_items(["A", " "], genres=[["Drama"], []]),
            "new item 2 has an empty title",
        ),
        (lambda r: r.with_items(["A", "B"], genres=[["Drama"]]), "1 entries in 'genres'"),
        (
            lambda r: r.with_items(["A", ""], descriptions=["", "About cats"]),
            r"1 of 2 items have no text .* semantics\.fields = 'title,genres,year'",
        ),
    ],
)
def test_a_mistake_is_one_line(ready, call, words):
    with pytest.raises((ConfigError, DataError), match=words):
        call(ready)


@pytest.mark.parametrize("settings", [{"name": "sasrec"}, {"views": "identity"}])
def test_a_model_of_identities_alone_cannot_know_a_new_item(ready, make_tiny, settings):
    search = ItemSearch(make_tiny(**settings), 40, 10)
    with pytest.raises(ConfigError, match="knows items by identity alone"):
        dataclasses.replace(ready, search=search).with_items(["A Title"])


def test_a_model_of_contents_alone_must_be_told_a_genre_or_a_year(ready, make_tiny, small_config):
    search = ItemSearch(make_tiny(views="content"), 40, 10)
    config = small_config({"model.views": "content", "model.identity-start": "random"})
    only_contents = dataclasses.replace(ready, search=search, config=config)
    with pytest.raises(DataError, match="knows items by genres and year alone"):
        only_contents.with_items(["A Title"], genres=[["Opera"]])


def test_a_run_of_shuffled_meanings_cannot_know_a_new_item(ready, small_config):
    config = small_config({"semantics.shuffled": True})
    with pytest.raises(ConfigError, match=r"semantics\.shuffled = true"):
        dataclasses.replace(ready, config=config).with_items(["A Title"])


def test_what_is_not_the_runs_own_is_refused(small_run, tmp_path):
    folder = shutil.copytree(small_run, tmp_path / "copy")
    about, config = read_json(folder / "run.json"), (folder / "config.toml").read_text()
    table = about["semantics"] | {"table_sha256": "0" * 64}
    data = about["data"] | {"hash": "0" * 64}
    for changes, words in (
        ({"semantics": table}, "was trained on semantic embeddings 0000"),
        ({"data": data}, "was trained on data 0000"),
        ({"status": "failed"}, "a run that is failed"),
        ({"no_model": "every client has its own"}, "holds no model: every client"),
        ({"engine": f"{BASELINE_ENGINE}popularity)"}, "trains nothing"),
    ):
        write_about(folder / "run.json", about | changes)
        with pytest.raises((ConfigError, DataError), match=words):
            fedrec.open_recommender(folder)
    del about["files"]  # a folder without checksums is checked all the same
    write_about(folder / "run.json", about)
    (folder / "config.toml").write_text(config.replace('private = ""', 'private = "gate-bias"'))
    with pytest.raises(ConfigError, match="'gate-bias' stays with each client"):
        fedrec.open_recommender(folder)
    (folder / "config.toml").write_text(config)
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"model\.safetensors.*damaged"):
        fedrec.open_recommender(folder)


def test_memory_is_stated(ready):
    assert "MiB: vectors 0.0, model 0.0, scores 4.0 at most" in repr(ready)
    card = ready._repr_html_()
    for words in ("Recommender of run small", "identity, semantic, content", "4.0 MiB"):
        assert words in card


def test_the_command_shows_lists_and_places_a_new_item(ready, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    user = ready.dataset.user_ids[0]

    def called(*words):
        return CliRunner().invoke(app, ["recommend", "small", *words])

    new = ["--new", "Evil \x1b[31m[bold]Twin (1999)", "--new-genres", "Jazz"]
    shown = called("--user", user, "-k", "3", *new)
    assert shown.exit_code == 0, shown.output
    assert "\x1b" not in shown.stdout
    assert "New: Evil [bold]Twin (1999), rank" in shown.stdout
    answer = json.loads(called("--user", user, "-k", "3", *new, "--json").stdout)
    ready = ready.with_items([new[1]], genres=[["Jazz"]])
    expected = [one._asdict() for one in ready.recommend(user, k=3)]
    found = [{k: one[k] for k in ("item", "title", "score")} for one in answer["recommendations"]]
    assert found == expected
    assert answer["new"]["rank"] == ready.rank_of("new-1", user)
    assert len(answer["new"]["nearest"]) == 5
    for *words, code in (
        (2,),
        ("--user", user, "--history", "i1", 2),
        ("--history", "i1,,i2", 2),
        ("--user", user, "--new-year", "1999", 2),
        ("--new", "", 4),
    ):
        refused = called(*words)
        assert refused.exit_code == code
        assert refused.stderr.startswith("error: ")
        assert len(refused.stderr.splitlines()) == 1


def test_histories_of_ids_are_read_from_the_command(ready):
    ids = ready.catalog.item_ids[:2]
    result = CliRunner().invoke(app, ["recommend", "small", "--history", ", ".join(ids), "--json"])
    answer = json.loads(result.stdout)
    assert [one["item"] for one in answer["history"]] == ids
    assert np.sum(list(answer["views"].values())) == pytest.approx(1)
    expected = [one.item for one in ready.recommend(ids)]
    assert [one["item"] for one in answer["recommendations"]] == expected
