import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.data.readers.html import MAX_MARKUP, plain_text

PIECES = ["&amp;", "&lt;b&gt;", "<b>", "</p>", "<", ">", "[", "]", "'", '"', ", ", "a", " ", "\\",
          "<!--", "-->", "<style>", "</style>", "&", ";", "#38;", "\n", "é", "5"]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Head &amp; Shoulders", "Head & Shoulders"),
        ("Head &amp;amp; Shoulders", "Head & Shoulders"),  # encoded twice
        ("[\"HP 74 Black\", 'Made for \"you\"', '']", 'HP 74 Black Made for "you"'),
        ("[]", ""),
        (["Fast drying.", " ", "No smell."], "Fast drying. No smell."),
        ([["a"], "b"], "a b"),
        ("<p>Soft<br/>and <b>warm</b></p>", "Soft and warm"),
        ("Pens <!-- .h {color:#000} --> <style type='x'>p {}</style>blue", "Pens blue"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("I <3 this, 4 < 5 > 3", "I <3 this, 4 < 5 > 3"),
        ("[5]", "[5]"),  # a list, but not of text
        ("[__import__('os').getcwd()]", "[__import__('os').getcwd()]"),  # never run
        ("['It's soft', \"8\" wide\"]", "It's soft 8\" wide"),  # its escapes were lost
        ("['never closed]", "['never closed]"),
        (None, ""),
        (3.5, ""),
    ],
)
def test_what_shops_print_becomes_plain(raw, expected):
    assert plain_text(raw) == expected


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=60))
def test_cleaning_twice_is_cleaning_once(text):
    once = plain_text(text)
    assert plain_text(once) == once


@given(st.lists(st.text(alphabet="abc '\"\\é", max_size=8), max_size=4))
def test_a_printed_list_and_the_list_itself_are_the_same_text(parts):
    assert plain_text(repr(parts)) == plain_text(parts)


def test_an_endless_text_is_cut_and_a_deep_list_stays_as_it_is():
    assert len(plain_text("ab " * MAX_MARKUP)) <= MAX_MARKUP
    deep = "[" * 3000 + "]" * 3000
    assert plain_text(deep) == deep


@pytest.mark.parametrize("text", ["['new'] smell of 'x'!", "'x', ['new']", "[new", "new]"])
def test_a_bracket_at_one_end_makes_no_list(text):
    assert plain_text(text) == text
