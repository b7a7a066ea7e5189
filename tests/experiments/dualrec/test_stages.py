"""DUALRec's later stages behind a finished run, by a tiny language model with random weights."""

import dataclasses
import json

import numpy as np
import pytest

import experiments.dualrec.language as language
from experiments.dualrec.lists import StageOne
from experiments.dualrec.stages import ANSWERS, run_stages
from experiments.dualrec.table import row_of
from fedrec.config.keys import read_config
from fedrec.config.sections.dualrec import Dualrec
from fedrec.errors import ConfigError
from fedrec.inference.opening import open_recommender
from fedrec.llm.local import LocalModel


def settings(base, **changes):
    made = Dualrec(language_model=str(base), users=7, candidates=4, recent=2)
    return dataclasses.replace(made, **changes)


def test_the_table_holds_all_stages_and_says_what_became_of_the_answers(first_stage, base):
    finished = run_stages(first_stage, settings(base))
    assert finished.folder == first_stage.with_name(f"{first_stage.name}-dualrec")
    names = [row.name for row in finished.rows]
    assert names[:3] == ["popularity", "markov", "item-knn"]
    assert len(names) == 7
    written = json.loads((finished.folder / "table.json").read_text())
    assert set(written["rows"]) == set(names)
    assert written["users"] == 7
    assert 0 <= written["shares"]["unparsed"] <= 1
    assert set(written["exhibit"]) == {"random", "markov", "stage 1: hybrid"}
    text = (finished.folder / "table.md").read_text()
    assert "No figure below that line is an evaluation" in text
    assert all(name in text for name in names)


@pytest.mark.parametrize("answers", ["order", "titles", "free"])
def test_whatever_is_answered_the_lists_hold_unseen_items_of_the_catalogue(
    first_stage, base, answers
):
    ready = open_recommender(first_stage)
    stage = StageOne(ready, 4, 7)
    asked = stage.asked("test")
    own = stage.lists(asked.histories)
    catalog = ready.dataset.catalog
    found = language.answer(
        settings(base, answers=answers),
        LocalModel(base),
        catalog,
        asked.histories,
        own,
        seed=0,
        ledger=first_stage / "answers.jsonl",
    )
    for row, history, before in zip(found.lists, asked.histories, own, strict=True):
        assert len(set(row.tolist())) == 4
        assert not set(row.tolist()) & set(history.tolist())
        assert all(1 <= item <= catalog.num_items for item in row)
        if answers == "order":
            assert set(row.tolist()) == set(before.tolist())
    assert found.faults == 0
    if answers == "titles":  # a model that knows nothing still writes three titles of the catalogue
        assert found.shares["kept"] + found.shares["ambiguous"] == 1
        assert found.shares["seen"] == 0


def test_a_killed_command_asks_for_nothing_twice(first_stage, base, monkeypatch):
    whole = run_stages(first_stage, settings(base))
    ledger = whole.folder / ANSWERS
    before = (whole.folder / "table.json").read_bytes()
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:3]) + lines[3][:20])  # as a kill leaves it
    calls = []
    real = LocalModel.answers

    def counted(self, chats, decoding):
        calls.extend(chat.key for chat in chats)
        return real(self, chats, decoding)

    monkeypatch.setattr(LocalModel, "answers", counted)
    run_stages(first_stage, settings(base))
    assert len(calls) == 7  # one batch, of which three are known
    assert len(ledger.read_text().splitlines()) == 7
    assert (whole.folder / "table.json").read_bytes() == before
    calls.clear()
    run_stages(first_stage, settings(base))
    assert calls == []


def test_users_are_a_seeded_sample_and_the_truth_is_no_part_of_the_history(first_stage):
    ready = open_recommender(first_stage)
    sequences = ready.dataset.sequences
    asked = StageOne(ready, 4, 7).asked("test", following=3)
    assert len(asked.users) == 7
    for user, history, items in zip(asked.users, asked.histories, asked.items, strict=True):
        whole = sequences.of(int(user))
        np.testing.assert_array_equal(np.concatenate([history, items]), whole)
    validation = StageOne(ready, 4, 7).asked("validation")
    for user, history, items in zip(
        validation.users, validation.histories, validation.items, strict=True
    ):
        whole = sequences.of(int(user))
        np.testing.assert_array_equal(np.concatenate([history, items]), whole[:-1])
    again = StageOne(ready, 4, 7).asked("test", following=3)
    np.testing.assert_array_equal(asked.users, again.users)


def test_figures_by_hand():
    lists = np.array([[1, 2, 3], [3, 1, 0], [2, 3, 1]])
    genres = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)
    row = row_of("x", lists, np.array([1, 1, 1]), genres, seed=0)
    assert row.figures["HR@1"]["value"] == pytest.approx(1 / 3)
    assert row.figures["HR@5"]["value"] == 1
    assert row.figures["NDCG@5"]["value"] == pytest.approx((1 + 1 / np.log2(3) + 0.5) / 3)
    # First items 1, 3, 2 with the next item 1: genres in common 1, 0 and a half.
    assert row.figures["genre Jaccard"]["value"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dualrec.answers": "any"}, "must be one of order, titles, free"),
        ({"dualrec.candidates": 51}, "50 at most"),
        (
            {"dualrec.language-model": "http://x", "dualrec.answers": "titles"},
            "'order' or 'free' for a model at an address",
        ),
        ({"dualrec.adapters": "run"}, "needs a language model of this process"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        read_config(changes)
