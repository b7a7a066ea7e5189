"""The trie of titles, over tokens that are numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.dualrec.trie import TitleTrie, catalogue_trie
from fedrec.errors import ConfigError

END, LINE = 0, 1


def excluding(num_items, *items):
    mask = np.zeros(num_items + 1, dtype=bool)
    mask[list(items)] = True
    return mask


@pytest.fixture
def trie():
    """Items 1 "5 6", 2 "5 6 7", 3 "5 8", 4 "9"."""
    return TitleTrie([[5, 6], [5, 6, 7], [5, 8], [9]], end=END, separator=LINE)


def test_only_what_goes_on_or_ends_a_title_may_follow(trie):
    assert trie.allowed([]) == [5, 9]
    assert trie.allowed([5]) == [6, 8]
    assert trie.allowed([5, 6]) == [END, 7]  # a title of its own, and the beginning of another
    assert trie.allowed([5, 6, 7]) == [END]
    assert trie.allowed([5, 6, END]) == [END]


def test_off_the_trie_only_the_end_is_left(trie):
    assert trie.allowed([4]) == trie.allowed([5, 9, 5]) == trie.allowed([LINE]) == [END]


def test_excluded_items_and_ways_that_lead_to_them_alone_are_closed(trie):
    assert trie.allowed([], excluding(4, 4)) == [5]
    assert trie.allowed([5], excluding(4, 1, 2)) == [8]
    assert trie.allowed([5, 6], excluding(4, 1)) == [7]
    assert trie.allowed([5, 6], excluding(4, 2)) == [END]
    assert trie.allowed([], excluding(4, 1, 2, 3, 4)) == [END]


def test_several_titles_are_written_each_once(trie):
    assert trie.allowed([9], wanted=2) == [LINE]
    assert trie.allowed([9, LINE], wanted=2) == [5]
    assert trie.allowed([9, LINE, 5, 8], wanted=2) == [END]
    assert trie.allowed([9, LINE, 5, 8, LINE], wanted=2) == [END]
    assert trie.allowed([5, 6], wanted=2) == [LINE, 7]
    assert trie.allowed([5, 6, LINE, 5, 6], wanted=3) == [7]  # item 1 is there already


def test_fewer_titles_are_written_where_fewer_are_left(trie):
    assert trie.allowed([9], excluding(4, 1, 2, 3), wanted=3) == [END]


def test_an_answer_is_read_back_as_items(trie):
    assert trie.items([5, 6, LINE, 9, END, 3, 3]) == [1, 4]
    assert trie.items([5, 6, LINE, 9]) == []  # cut: "5 6 7" may have been meant as well
    assert trie.items([5, END]) == trie.items([END]) == trie.items([4, END]) == []


def test_equal_titles_stand_for_the_first_that_is_not_excluded():
    trie = TitleTrie([[3], [3], [4]], end=END, separator=LINE)
    assert trie.items([3, END]) == [1]
    assert trie.items([3, END], excluding(3, 1)) == [2]
    assert trie.allowed([], excluding(3, 1)) == [3, 4]
    assert trie.allowed([], excluding(3, 1, 2)) == [4]
    assert trie.allowed([3, LINE], wanted=2) == [4]


def test_a_tokenizer_makes_the_tokens():
    trie = catalogue_trie(["ab", "b"], lambda title: [ord(one) for one in title], end=END)
    assert trie.num_items == 2
    assert trie.allowed([]) == [97, 98]
    with pytest.raises(ConfigError, match="needs a separator"):
        trie.allowed([], wanted=2)


@pytest.mark.parametrize(
    ("titles", "message"),
    [
        ([], "one title or more, got none"),
        ([[2], []], r"item 2 has tokens \[\]"),
        ([[2, END]], "without the end 0"),
        ([[2, LINE, 3]], "the separator 1"),
    ],
)
def test_titles_that_would_break_an_answer_are_refused(titles, message):
    with pytest.raises(ConfigError, match=message):
        TitleTrie(titles, end=END, separator=LINE)


def test_one_token_cannot_end_and_separate():
    with pytest.raises(ConfigError, match="cannot both"):
        TitleTrie([[2]], end=END, separator=END)


CATALOGUES = st.lists(st.lists(st.integers(2, 5), min_size=1, max_size=4), min_size=1, max_size=9)


@settings(max_examples=150)
@given(CATALOGUES, st.integers(1, 4), st.data())
def test_whatever_is_chosen_among_the_allowed_is_a_list_of_titles(titles, wanted, data):
    trie = TitleTrie(titles, end=END, separator=LINE)
    excluded = excluding(len(titles), *data.draw(st.sets(st.integers(1, len(titles)))))
    written = []
    while not written or written[-1] != END:
        written.append(data.draw(st.sampled_from(trie.allowed(written, excluded, wanted))))
        assert len(written) <= 5 * wanted + 1
    items = trie.items(written, excluded)
    # The slow way: cut at the separators, and look every piece up.
    pieces = [[]]
    for token in written[:-1]:
        pieces.append([]) if token == LINE else pieces[-1].append(token)
    free = {tuple(title) for item, title in enumerate(titles, start=1) if not excluded[item]}
    assert len(items) == min(wanted, len(free))
    assert [titles[item - 1] for item in items] == (pieces if items else [])
    assert not excluded[items].any()
    assert len({tuple(titles[item - 1]) for item in items}) == len(items)


@settings(max_examples=100)
@given(CATALOGUES, st.lists(st.integers(2, 5), max_size=4))
def test_what_may_follow_is_what_some_title_has_there(titles, start):
    found = {
        title[len(start)] if len(title) > len(start) else END
        for title in titles
        if title[: len(start)] == start
    }
    assert TitleTrie(titles, end=END).allowed(start) == (sorted(found) or [END])
