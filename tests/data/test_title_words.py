"""Title words: one vocabulary of a catalogue, the same wherever it is made."""

import numpy as np

from fedrec.data.title_words import title_words, words_of


def test_words_are_letters_and_digits_without_case_and_accents():
    assert words_of("Les Misérables (1995)") == ["les", "miserables", "1995"]
    assert words_of("Dr. Strangelove or: How I_Learned") == [
        "dr",
        "strangelove",
        "or",
        "how",
        "i",
        "learned",
    ]
    assert words_of("") == words_of("...") == []
    assert len(words_of("a " * 40)) == 30


def test_the_most_frequent_words_come_first_and_equals_by_alphabet():
    found = title_words(["The Red House", "the blue house", "", "The"])
    assert found.vocabulary == ("the", "house", "blue", "red")
    expected = [[0, 0, 0], [1, 4, 2], [1, 3, 2], [0, 0, 0], [1, 0, 0]]
    np.testing.assert_array_equal(found.numbers, expected)


def test_words_beyond_the_most_frequent_are_left_out():
    found = title_words(["red red house", "red blue"], most=1)
    assert found.vocabulary == ("red",)
    np.testing.assert_array_equal(found.numbers, [[0, 0], [1, 1], [1, 0]])


def test_no_title_at_all_is_a_column_of_padding():
    np.testing.assert_array_equal(title_words(["", ""]).numbers, np.zeros((3, 1)))
