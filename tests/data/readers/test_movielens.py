import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fedrec.data.interactions import to_sequences
from fedrec.data.preparation.sources import find_source
from fedrec.data.readers.detect import find_layout
from fedrec.data.readers.movielens import load_movielens
from fedrec.errors import DataError

RATINGS = "1::10::5::978300760\n1::20::3::978300700\n7::10::4::978300760\n"
MOVIES = "10::Usual Suspects, The (1995)::Crime|Thriller\n20::Léon (1994)::Action\n"
USERS = "1::F::1::10::02138\n7::M::56::16::5511\n"


def ml_1m(folder, *, ratings=RATINGS, movies=MOVIES, users=USERS):
    """Invented rows in the raw layout of ML-1M."""
    for name, text in (("ratings.dat", ratings), ("movies.dat", movies), ("users.dat", users)):
        data = text if isinstance(text, bytes) else text.encode("latin-1")
        (folder / name).write_bytes(data)
    return load_movielens(folder, "ml-1m")


def ml_100k(folder):
    item = "267|unknown||||" + "|".join(["1"] + ["0"] * 18) + "\n"
    first = "5|Toys (1995)|01-Jan-1995||http://x|" + "|".join(["0", "1"] + ["0"] * 17) + "\n"
    (folder / "u.item").write_bytes((first + item).encode("latin-1"))
    (folder / "u.data").write_text("3\t267\t4\t881250949\n3\t5\t2\t881250940\n")
    (folder / "u.user").write_text("3|24|M|technician|85711\n4|17|F|other|T8H1N\n")
    return load_movielens(folder, "ml-100k")


def latest(folder, *, ratings="1,5,4.5,964982703\r\n2,6,.5,964982703\r\n", movies=None):
    movies = movies or '5,"Net, The (1995)",Drama|Crime\r\n6,Blank,(no genres listed)\r\n'
    ratings = ratings.replace(",.5", ",0.5")
    data = ("userId,movieId,rating,timestamp\r\n" + ratings).encode()
    (folder / "ratings.csv").write_bytes(data)
    body = movies if isinstance(movies, bytes) else movies.encode()
    (folder / "movies.csv").write_bytes(b"movieId,title,genres\r\n" + body)
    return load_movielens(folder, "ml-latest-small")


def test_ml_1m_is_read_in_listed_order_with_raw_titles(tmp_path):
    data = ml_1m(tmp_path)
    assert data.catalog.titles == ["Usual Suspects, The (1995)", "Léon (1994)"]
    assert data.catalog.years == [1995, 1994]
    assert data.catalog.genres == [("Crime", "Thriller"), ("Action",)]
    assert (data.user_ids, data.item_ids) == (["1", "7"], ["10", "20"])
    assert (data.users.tolist(), data.items.tolist()) == ([0, 0, 1], [0, 1, 0])
    assert data.times.tolist() == [978300760, 978300700, 978300760]
    assert data.ratings.tolist() == [5, 3, 4]


def described(folder, text):
    (folder / "dbpedia_abstracts.json").write_text(text, encoding="utf-8")
    return ml_1m(folder)


def test_descriptions_beside_ml_1m_come_to_their_items(tmp_path):
    data = described(tmp_path, '{"20": "Un film\\u0007 de Besson.", "30": "Nobody rated it."}')
    assert data.catalog.descriptions == ["", "Un film de Besson."]
    assert data.skipped["descriptions: texts with control characters"] == 1
    assert data.skipped["descriptions of items not in the catalogue"] == 1


@pytest.mark.parametrize(
    ("text", "seen"), [("{", "is damaged"), ("[]", "one JSON object"), ('{"20": 7}', "item id ->")]
)
def test_descriptions_that_are_none_name_their_file(tmp_path, text, seen):
    with pytest.raises(DataError, match=rf"dbpedia_abstracts.json.*{seen}"):
        described(tmp_path, text)


def test_data_prepared_without_its_descriptions_are_made_anew(tmp_path):
    ml_1m(tmp_path)
    zipped = tmp_path / "ml-1m.zip"
    keys = []
    for names in (["dbpedia_abstracts.json"], []):
        (tmp_path / "dbpedia_abstracts.json").write_text("{}")
        with zipfile.ZipFile(zipped, "w") as archive:
            for name in ["ratings.dat", "movies.dat", "users.dat", *names]:
                archive.write(tmp_path / name, f"ml-1m/{name}")
        source = find_source(str(zipped), format="auto", home=tmp_path, seed=0, columns=None)
        keys.append(source.key.get("descriptions"))
    assert keys == ["dbpedia_abstracts.json", None]


def test_user_attributes_are_in_words_and_a_malformed_zip_is_counted_as_other(tmp_path):
    data = ml_1m(tmp_path)
    assert data.attributes == {
        "gender": ["F", "M"],
        "age": ["under 18", "56+"],
        "occupation": ["K-12 student", "self-employed"],
        "zip": ["0", "other"],
    }
    assert data.skipped == {"malformed zip codes": 1}


def test_ml_100k_reads_flags_as_genres_and_ages_as_groups(tmp_path):
    data = ml_100k(tmp_path)
    assert data.catalog.titles == ["Toys (1995)", "unknown"]
    assert data.catalog.genres == [("Action",), ("unknown",)]
    assert data.catalog.years == [1995, None]
    assert data.attributes["age"] == ["18-24", "under 18"]
    assert data.attributes["zip"] == ["8", "other"]
    assert data.items.tolist() == [1, 0]


def test_latest_small_reads_quoted_titles_half_stars_and_crlf(tmp_path):
    data = latest(tmp_path)
    assert data.catalog.titles == ["Net, The (1995)", "Blank"]
    assert data.catalog.genres == [("Drama", "Crime"), ()]
    assert data.ratings.tolist() == [4.5, 0.5]


def test_a_zip_and_a_tar_give_what_the_folder_gives(tmp_path):
    plain = ml_1m(tmp_path)
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name in ("ratings.dat", "movies.dat", "users.dat"):
            archive.write(tmp_path / name, f"ml-1m/{name}")
    with tarfile.open(tmp_path / "d.tar.xz", "w:xz") as archive:
        for name in ("ratings.dat", "movies.dat", "users.dat"):
            archive.add(tmp_path / name, f"ml-1m/{name}")
    for packed in ("d.zip", "d.tar.xz"):
        found = find_layout(tmp_path / packed, "auto")
        assert found is not None
        assert found.layout == "ml-1m"
        loaded = load_movielens(tmp_path / packed, "ml-1m")
        assert loaded.catalog == plain.catalog
        np.testing.assert_array_equal(loaded.items, plain.items)


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path):
    mark = b"\xef\xbb\xbf"
    data = ml_1m(tmp_path, ratings=mark + RATINGS.encode(), movies=mark + MOVIES.encode())
    assert data.item_ids == ["10", "20"]
    assert data.users.tolist() == [0, 0, 1]


def test_old_layouts_are_read_as_latin1_or_utf8_whichever_they_are(tmp_path):
    for encoding in ("latin-1", "utf-8"):
        assert ml_1m(tmp_path, movies=MOVIES.encode(encoding)).catalog.titles[1] == "Léon (1994)"


def test_crlf_and_blank_lines_are_fine(tmp_path):
    plain = ml_1m(tmp_path)
    data = ml_1m(
        tmp_path,
        ratings="\n" + RATINGS.replace("\n", "\r\n\r\n"),
        movies=MOVIES.replace("\n", "\r\n\r\n"),
        users=USERS.rstrip("\n"),
    )
    assert data.catalog == plain.catalog
    assert data.attributes == plain.attributes
    np.testing.assert_array_equal(data.times, plain.times)


def test_events_of_items_that_the_catalogue_lacks_stay_and_are_counted(tmp_path):
    data = ml_1m(tmp_path, ratings=RATINGS + "7::15::2::978300761\n")
    assert data.item_ids == ["10", "20", "15"]
    assert data.catalog.titles[2] == ""
    assert data.items.tolist() == [0, 1, 0, 2]
    assert data.skipped["items not in the catalogue"] == 1


def test_users_that_the_users_file_lacks_get_attributes_other(tmp_path):
    data = ml_1m(tmp_path, ratings=RATINGS + "9::10::2::978300761\n")
    assert data.user_ids == ["1", "7", "9"]
    assert data.attributes["gender"] == ["F", "M", "other"]
    assert data.skipped["users not in the users file"] == 1


def test_long_and_strange_titles_are_made_fit(tmp_path):
    long, rtl = "x" * 1_000_000, "שלום"
    movies = f"10::{long}::War\n20::a\x1b[31mb\x07  c {rtl}::War\n".encode()
    data = ml_1m(tmp_path, movies=movies)
    assert data.catalog.titles == ["x" * 10_000, f"a [31mb c {rtl}"]
    assert data.skipped["texts with control characters"] == 1
    assert data.skipped["texts cut at 10000"] == 1


@pytest.fixture(scope="module")
def real_data():
    folder = os.environ.get("FEDREC_DATA")
    if not folder:
        pytest.skip("FEDREC_DATA is not set: it names the folder with ml-1m.zip and the others")
    return Path(folder)


@pytest.mark.slow
def test_ml_1m_becomes_exactly_the_published_ml_1m_of_sasrec(real_data):
    prepared = to_sequences(load_movielens(real_data / "ml-1m.zip", "ml-1m"))
    with tarfile.open(real_data / "sasrec-processed.tar.xz") as archive:
        theirs, users, items = (
            np.loadtxt(archive.extractfile(f"sasrec-processed/{name}.txt"), dtype=np.int64)
            for name in ("ml-1m", "sas_to_original_users", "sas_to_original_items")
        )
    ours = prepared.sequences
    assert (len(theirs), ours.num_events, prepared.catalog.num_items) == (999_611, 999_611, 3_416)
    # Both in MovieLens ids, users in the order of their MovieLens number.
    their_users, their_items = dict(users.tolist()), dict(items.tolist())
    events = [(their_users[user], their_items[item]) for user, item in theirs.tolist()]
    events.sort(key=lambda event: event[0])  # stable: the order within a user stays
    our_items = [int(number) for number in prepared.catalog.item_ids]
    our_users = np.repeat([int(number) for number in prepared.user_ids], ours.lengths())
    mine = [our_items[item - 1] for item in ours.items.tolist()]
    assert list(zip(our_users.tolist(), mine, strict=True)) == events


def test_real_ml_1m_attributes_match_its_description(real_data):
    data = load_movielens(real_data / "ml-1m.zip", "ml-1m")
    assert data.skipped == {"malformed zip codes": 15}
    assert {name: len(set(values)) for name, values in data.attributes.items()} == {
        "gender": 2,
        "age": 7,
        "occupation": 21,
        "zip": 11,
    }
    assert "interpolated" in data.notes[0]
    assert sum(title.count(", The (") for title in data.catalog.titles) > 500
    has_text = np.array([text != "" for text in data.catalog.descriptions])
    assert has_text.sum() == 3_301
    assert has_text[data.items].mean() == pytest.approx(0.949, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "users", "items", "events"),
    [("ml-100k", 943, 1_682, 100_000), ("ml-latest-small", 610, 9_742, 100_836)],
)
def test_real_small_editions_have_their_published_sizes(real_data, name, users, items, events):
    data = load_movielens(real_data / f"{name}.zip", name)
    assert (len(data.user_ids), len(data.item_ids), len(data.users)) == (users, items, events)
