"""Answers that order candidates by their numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.dualrec.permutation import PermutationCounts, read_permutation
from fedrec.dualrec.prompt import answer_order
from fedrec.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("3, 1, 2", (2, 0, 1)),
        ("[3] > [1] > [2]", (2, 0, 1)),
        ("3\n1\n2", (2, 0, 1)),
        ("3-1-2", (2, 0, 1)),
        ("3 > 1 > 2.", (2, 0, 1)),
        ("The order is 3, 1 and 2.", (2, 0, 1)),
        ("1. [3]\n2. [1]\n3. [2]", (2, 0, 1)),
        ("1. 3\n2. 1\n3. 2", (2, 0, 1)),
        ("1) Candidate 3\n2) Candidate 1\n3) Candidate 2", (2, 0, 1)),
        ("3. Kettle 2 (1979)\n1. 14 Bakers\n2. Orchard", (2, 0, 1)),
        ("3 Kettle\n1 Orchard\n2 Harrow Lane", (2, 0, 1)),
        ("<think>1 or 2?</think> [3], [1]", (2, 0, 1)),
        ("[3] Kettle 1 (1979)", (2, 0, 1)),
        ("", (0, 1, 2)),
        ("none of them", (0, 1, 2)),
    ],
)
def test_each_form_of_an_order_is_read(text, order):
    assert read_permutation(text, 3).order == order


def test_what_is_wrong_is_repaired_and_counted():
    read = read_permutation("[4] > [9] > [4] > [0] > [2]", 5)
    assert read.order == (3, 1, 0, 2, 4)  # named, then stage 1's order
    assert read.counts == PermutationCounts(
        answers=1, candidates=5, named=5, invalid=2, repeated=1, missing=3
    )


def test_an_answer_without_a_valid_number_is_unparsed_and_keeps_the_order():
    read = read_permutation("7, 8, " + "9" * 6000, 2)
    assert read.order == (0, 1)
    assert read.counts == PermutationCounts(
        answers=1, unparsed=1, candidates=2, named=3, invalid=3, missing=2
    )


def test_counts_add_up_and_become_shares():
    both = read_permutation("2, 2, 5", 4).counts + read_permutation("1 2 3 4", 4).counts
    # 7 numbers: one repeated, one invalid; of 8 candidates 3 were not named
    assert both.shares() == {
        "unparsed": 0.0,
        "invalid": 1 / 7,
        "repeated": 1 / 7,
        "missing": 3 / 8,
    }


def test_a_list_of_no_candidates_is_refused():
    with pytest.raises(ConfigError, match="1 candidate or more, got 0"):
        read_permutation("1", 0)


@given(st.text(alphabet="0123456789[]>.,:)( -\nabc", max_size=60), st.integers(1, 12))
def test_the_result_is_always_a_permutation(text, count):
    read = read_permutation(text, count)
    assert sorted(read.order) == list(range(count))
    counts = read.counts
    assert counts.named - counts.invalid - counts.repeated + counts.missing == count


@given(st.integers(1, 25).flatmap(lambda count: st.permutations(range(count))))
def test_a_wanted_answer_is_read_back(order):
    read = read_permutation(answer_order(order), len(order))
    assert read.order == tuple(order)
    assert read.counts == PermutationCounts(answers=1, candidates=len(order), named=len(order))
