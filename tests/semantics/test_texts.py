import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.semantics.texts import MAX_CHARACTERS, clean, describe_items, readable_title


@pytest.mark.parametrize(
    ("listed", "readable"),
    [
        ("Usual Suspects, The", "The Usual Suspects"),
        ("Misérables, Les", "Les Misérables"),
        ("Bonheur, Le", "Le Bonheur"),
        ("Enfer, L'", "L'Enfer"),
        ("Boot, Das", "Das Boot"),
        ("Olvidados, Los", "Los Olvidados"),
        ("Vitelloni, I", "I Vitelloni"),
        ("Bug's Life, A", "A Bug's Life"),
        ("Postman, The (Postino, Il)", "The Postman (Il Postino)"),
        ("Star Maker, The (Uomo delle stelle, L')", "The Star Maker (L'Uomo delle stelle)"),
        ("Associate, The (L'Associe)", "The Associate (L'Associe)"),
        ("Shop, The (a.k.a. Little Shop, The)", "The Shop (a.k.a. The Little Shop)"),
        ("Léon (a.k.a. The Professional) (Léon)", "Léon (a.k.a. The Professional) (Léon)"),
        ("Good, the Bad and the Ugly, The", "The Good, the Bad and the Ugly"),
        ("Monsters, Inc.", "Monsters, Inc."),
        ("What's Up, Doc?", "What's Up, Doc?"),
        ("The The", "The The"),
    ],
)
def test_the_article_comes_back_to_the_front(listed, readable):
    assert readable_title(listed) == readable


def item_texts(*arguments):
    described = describe_items(*arguments)
    return described.texts, described.fallbacks


def test_fields_become_sentences_in_the_order_asked_for(make_catalog):
    catalog = make_catalog(
        "Usual Suspects, The (1995)",
        genres=[("Crime", "Thriller")],
        years=[1995],
        descriptions=["Five crooks meet."],
        brand=["Polygram"],
    )
    texts, _ = item_texts(catalog)
    assert texts == ["The Usual Suspects. Crime, Thriller. 1995."]
    texts, _ = item_texts(catalog, ("brand", "description", "title"))
    assert texts == ["brand: Polygram. Five crooks meet. The Usual Suspects."]


def test_a_title_that_ends_its_own_sentence_gets_no_second_stop(make_catalog):
    assert item_texts(make_catalog("Jumpin' Jack!"))[0] == ["Jumpin' Jack!"]


@pytest.mark.parametrize(
    ("title", "year", "text"),
    [
        ("Alien (1979)", None, "Alien. 1979."),  # the title knows the year
        ("Alien (1979)", 1979, "Alien. 1979."),
        ("Alien(1979)", 1979, "Alien. 1979."),
        ("Dracula (1931)", 1992, "Dracula (1931). 1992."),  # another year is part of the name
        ("1984 (1984)", 1984, "1984. 1984."),
        ("(1995)", None, "(1995)."),
    ],
)
def test_the_year_of_a_title_moves_to_the_year_field(make_catalog, title, year, text):
    assert item_texts(make_catalog(title, years=[year]))[0] == [text]


def test_entities_are_decoded_and_words_that_look_like_missing_values_stay(make_catalog):
    texts, fallbacks = item_texts(make_catalog("Tom &amp; Jerry&#39;s", "NA", "null"))
    assert texts == ["Tom & Jerry's.", "NA.", "null."]
    assert fallbacks == 0


def test_an_item_without_text_gets_a_text_of_its_own_and_is_counted(make_catalog):
    described = describe_items(make_catalog("Heat", " \t", "", item_ids=["a", "b", "c"]))
    assert described.texts == ["Heat.", "item b", "item c"]
    assert described.fallbacks == 2


def test_a_megabyte_of_text_is_cut_and_counted(make_catalog):
    described = describe_items(make_catalog("x" * 1_000_000, "short"))
    assert [len(text) for text in described.texts] == [MAX_CHARACTERS, 6]
    assert described.cut == 1


@pytest.mark.parametrize(("length", "cut"), [(3_999, 0), (4_000, 0), (4_001, 1)])
def test_a_text_of_an_item_has_4000_characters_at_most(make_catalog, length, cut):
    described = describe_items(make_catalog("x" * (length - 1)))  # a full stop is put behind it
    assert [len(text) for text in described.texts] == [min(length, 4_000)]
    assert described.cut == cut


def test_control_characters_go_and_right_to_left_letters_stay(make_catalog):
    title = "ab\x00c\x1b[31m\u202egnp\ud800\r\nשבת عليكم"
    assert item_texts(make_catalog(title))[0] == ["ab c [31mgnp שבת عليكم."]


def test_unknown_field_names_the_key_and_the_fields_there_are(make_catalog):
    message = "semantics.fields names 'plot'.*title, genres, year, description, brand"
    with pytest.raises(ConfigError, match=message):
        item_texts(make_catalog("Heat", brand=["x"]), ("title", "plot"))


@pytest.mark.parametrize("fields", [(), ("title", "title")])
def test_no_field_or_a_field_twice_is_refused(make_catalog, fields):
    with pytest.raises(ConfigError, match=r"semantics.fields must name each field once"):
        item_texts(make_catalog("Heat"), fields)


@given(st.text(max_size=60))
def test_cleaning_twice_changes_nothing_more_and_leaves_one_encodable_line(text):
    once = clean(text.replace("&", ""))  # an entity may decode to another entity
    assert clean(once) == once
    once.encode("utf-8")
    assert once.splitlines() in ([once], [])


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_no_item_is_ever_without_text(titles):
    count = len(titles)
    ids = [str(place) for place in range(count)]
    catalog = Catalog(ids, titles, [()] * count, [None] * count, [""] * count, {})
    assert all(text.strip() for text in item_texts(catalog)[0])
