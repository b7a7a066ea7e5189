"""Free answers: what is read as a title, what is kept, and what becomes of the rest."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.dualrec.answers import MAX_TITLES, AnswerCounts, read_answer, titles_in
from tests.dualrec.conftest import TITLES


def items(text, index, seen=()):
    return list(read_answer(text, index, seen).items)


def test_every_title_of_an_answer_is_counted_once(index):
    answer = """Here are some films:
1. The Glass Orchard (1999)
2. Harrow Lane
3. Nobody Made This (2003)
4. Kettle (1979)
5. **Glass Orchard, The (1999)**
6. Wanderers of the Nothern Shore (1983)
7. Road Menders 2 (1981)
"""
    read = read_answer(answer, index, seen=[12])
    assert read.items == (1, 15, 10)
    assert read.counts == AnswerCounts(
        answers=1, titles=7, unknown=1, ambiguous=1, seen=1, repeated=1, kept=3, misspelled=1
    )


def test_counts_add_up_and_become_shares():
    one = AnswerCounts(answers=1, titles=3, unknown=1, kept=2)
    two = AnswerCounts(answers=1, unparsed=1)
    both = one + two + AnswerCounts(answers=2, titles=1, seen=1)
    assert both == AnswerCounts(answers=4, unparsed=1, titles=4, unknown=1, seen=1, kept=2)
    assert both.shares() == {
        "unparsed": 1 / 4,
        "unknown": 1 / 4,
        "ambiguous": 0.0,
        "seen": 1 / 4,
        "repeated": 0.0,
        "kept": 2 / 4,
        "misspelled": 0.0,
    }
    assert AnswerCounts().shares()["unparsed"] == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kettle (1979)\nOrchard (1991)", [12, 16]),
        ("1. Kettle (1979) 2. Orchard (1991) 3. 1984 (1984)", [12, 16, 18]),
        ("Kettle (1979), Orchard (1991) and 14 Patient Bakers (1957)", [12, 16, 7]),
        ("The Good, the Sad and the Tired (1966), Kettle (1979)", [17, 12]),
        ("The Good, the Sad and the Tired", [17]),
        ("Kettle, Orchard, 1984", [12, 16, 18]),
        ("Kettle (1979); Orchard (1991)", [12, 16]),
        ("Kettle (1979) | Orchard (1991)", [12, 16]),
        ("- Kettle (1979)\n- Orchard (1991)\nEnjoy the films of your evening!", [12, 16]),
        ("Kettle (1979)\n2. Orchard (1991)", [12, 16]),
        ("```json\n[\"Kettle (1979)\", \"Orchard\"]\n```", [12, 16]),
        ('{"films": [{"title": "Harrow Lane", "year": 1960}, {"title": "Kettle"}]}', [4, 12]),
        ("<think>Kettle (1979) would do</think>\nOrchard (1991)", [16]),
        ("<think>Kettle (1979) would", []),
        ("Movie 1: Kettle (1979)\nMovie 2: Orchard (1991)", [12, 16]),
        ("1. **Kettle** (1979) - *Comedy*\n   A film about tea.\n2. **Orchard** (1991)", [12, 16]),
        ("Sure! Kettle is what you want, as it is calm and slow and has tea in it.", []),
        ("I would recommend the following three films to you:\nKettle (1979)", [12]),
        ("Kettle (1979), Comedy, Drama", [12]),
        # Seen of SmolLM2-135M: the form of the prompt copied, and its fence.
        ("Title (Year): Kettle (1979)\nName (Year): Orchard (1991)", [12, 16]),
        ("Kettle (1979)\n</suggestion>\n<films>\nOrchard (1991)\n</films>", [12, 16]),
    ],
)  # fmt: skip
def test_titles_are_found_in_each_form_of_answer(index, text, expected):
    assert items(text, index) == expected


@pytest.mark.parametrize(
    "text", ["", " \n", "...", "Sure, here are three films:", "[]", "{}", "<films>\n</films>"]
)
def test_an_answer_without_a_title_is_unparsed(index, text):
    counts = read_answer(text, index).counts
    assert counts == AnswerCounts(answers=1, unparsed=1)


def test_a_loop_ends(index):
    counts = read_answer("Kettle (1979)\n" * 5000, index).counts
    assert (counts.titles, counts.kept, counts.repeated) == (MAX_TITLES, 1, MAX_TITLES - 1)


def test_unknown_lines_are_titles_too(index):
    assert titles_in("Nobody Made This\nNor That (2003)", index) == [
        "Nobody Made This",
        "Nor That (2003)",
    ]


PIECE = st.sampled_from(
    [*TITLES, "Nobody (2001)", "\n", "1. ", ", ", "**", '"', "[", "]", "{", ": "]
)


@settings(max_examples=80)
@given(st.lists(PIECE | st.text(max_size=8), max_size=12), st.sets(st.integers(1, 18), max_size=6))
def test_no_answer_yields_anything_but_unseen_items_once(index, pieces, seen):
    read = read_answer("".join(pieces), index, seen)
    counts = read.counts
    assert set(read.items) <= set(range(1, 19)) - seen
    assert len(set(read.items)) == len(read.items) == counts.kept
    assert counts.titles == sum(
        (counts.unknown, counts.ambiguous, counts.seen, counts.repeated, counts.kept)
    )
    assert counts.unparsed == (counts.titles == 0)


@settings(max_examples=40)
@given(st.permutations(range(18)).map(lambda places: places[:5]))
def test_a_list_of_titles_is_read_back(index, places):
    lines = [f"{number}. {TITLES[place]}" for number, place in enumerate(places, start=1)]
    assert items("\n".join(lines), index) == [place + 1 for place in places]
    assert items(json.dumps([TITLES[place] for place in places]), index) == [
        place + 1 for place in places
    ]
