"""40 answers of a true model of 135 million parameters, labelled by hand; most are bad."""

import json
from pathlib import Path

import pytest

from fedrec.semantics.signals.filters.across import check_together
from fedrec.semantics.signals.filters.answer import check_answer
from fedrec.semantics.signals.prompt import read_prompt

FIXTURE = json.loads((Path(__file__).parent / "answers.json").read_text(encoding="utf-8"))
ANSWERS = FIXTURE["answers"]


def checked(one):
    prompt = read_prompt(one["kinds"])
    return check_answer(
        one["answer"], one["is_cut"], one["item"], prompt.kinds, prompt.example_signals
    )


def test_they_are_answers_to_the_prompt_of_today():
    assert len(ANSWERS) == 40
    assert {one["label"] for one in ANSWERS} == {"good", "bad"}
    assert all(one["reason"] for one in ANSWERS)
    assert read_prompt(("usage",)).sha256 == FIXTURE["prompt_sha256"]


@pytest.mark.parametrize("one", ANSWERS, ids=lambda one: one["item"].split("\n")[0][7:40])
def test_every_bad_answer_is_caught_and_no_good_one_is_lost(one):
    _, findings = checked(one)
    assert bool(findings) == (one["label"] == "bad"), (one["reason"], findings)


def test_no_good_one_is_lost_beside_the_others():
    signals = {
        place: checked(one)[0] for place, one in enumerate(ANSWERS) if one["label"] == "good"
    }
    assert len(signals) == 7
    assert check_together(signals, [one["item"] for one in ANSWERS]) == {}
