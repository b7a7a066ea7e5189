"""The three Amazon layouts, on invented records in the published form."""

import gzip
import json
import tarfile

import pytest

from fedrec.data.preparation.sources import find_source
from fedrec.data.readers.amazon import LAYOUTS
from fedrec.data.readers.amazon_products import MAX_GENRES, product_catalog
from fedrec.errors import DataError

REVIEW_2014 = {"reviewerName": "B. \"Bo\"", "helpful": [0, 1], "reviewText": "Nice\nbut <b>",
               "overall": 5.0, "summary": "ok", "reviewTime": "09 13, 2009"}  # fmt: skip
META_2014 = [
    {"asin": "B1", "title": "Soap &amp; Scum", "description": "It's <b>soft</b>.", "price": 3.17,
     "imUrl": "http://x", "related": {"also_bought": ["B9"]}, "salesRank": {"Beauty": 7},
     "brand": "Acme",
     "categories": [["Beauty", "Skin Care", "Body"], ["Beauty", "Gifts"]]},
    {"asin": "B9", "title": "Unsold", "categories": [["Beauty", "Odd"]]},
    {"asin": "B2", "categories": [["Beauty", "Skin Care"]]},
]  # fmt: skip
META_2018 = [
    {"category": ["Office Products", "Pens &amp; Ink", "</span></span>"], "tech1": "",
     "description": ["<p>Blue.</p>", ""], "title": "Pen, 2&quot;", "also_buy": [], "brand": "Bic",
     "feature": ["Dries fast"], "rank": [">#1"], "price": "", "asin": "B1"},
    {"category": [], "description": [], "title": "var aPageStart = (new Date()).getTime();",
     "brand": "", "asin": "B2"},
    {"category": [], "description": [], "title": "Again", "brand": "", "asin": "B1"},
]  # fmt: skip
META_2023 = [
    {"main_category": "All Beauty", "title": "Balm", "average_rating": 4.8, "features": ["Mild"],
     "description": ["For lips."], "price": None, "store": "Lipco", "images": [],
     "categories": ["Beauty", "Lips"], "details": {}, "parent_asin": "B1", "bought_together": None},
    {"title": "", "features": [], "description": [], "store": None, "categories": [],
     "parent_asin": "B2"},
]  # fmt: skip
OLD = [("U1", "B1", 10), ("U1", "B2", 30), ("U2", "B1", 20), ("U1", "B3", 20)]


def pack(path, lines):
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return path


def old_reviews():
    return [
        json.dumps({"reviewerID": user, "asin": item, "unixReviewTime": time, **REVIEW_2014})
        for user, item, time in OLD
    ]


def new_reviews():
    return [
        json.dumps({"rating": 4.0, "title": "t", "text": "x", "images": [], "asin": "variant",
                    "parent_asin": item, "user_id": user, "timestamp": time * 10**11,
                    "helpful_vote": 0, "verified_purchase": True})
        for user, item, time in OLD
    ]  # fmt: skip


def write(folder, layout):
    """A folder of a layout; its files of reviews and of products."""
    folder.mkdir(exist_ok=True)
    if layout == "amazon-2014":
        meta = [repr(record) for record in META_2014]
        names = "reviews_Beauty_5.json.gz", "meta_Beauty.json.gz"
    elif layout == "amazon-2018":
        meta = [json.dumps(record) for record in META_2018]
        names = "Beauty_5.json.gz", "meta_Beauty.json.gz"
    else:
        meta = [json.dumps(record) for record in META_2023]
        names = "Beauty.jsonl.gz", "meta_Beauty.jsonl.gz"
    reviews = new_reviews() if layout == "amazon-2023" else old_reviews()
    return pack(folder / names[0], reviews), pack(folder / names[1], meta)


def load(path, format="auto"):
    source = find_source(str(path), format=format, home=path.parent, seed=0, columns=None)
    return source.load()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["folder", "file", "archive"])
def test_each_layout_is_found_in_a_folder_a_file_and_an_archive(tmp_path, layout, kind):
    reviews, _ = write(tmp_path / "data", layout)
    place = {"folder": reviews.parent, "file": reviews}.get(kind, tmp_path / "data.tar.gz")
    if kind == "archive":
        with tarfile.open(place, "w:gz") as archive:
            archive.add(reviews.parent, "data")
    source = find_source(str(place), format="auto", home=tmp_path, seed=0, columns=None)
    data = source.load()
    assert (source.format, source.name) == (layout, f"Beauty-{layout[-4:]}")
    assert (data.user_ids, data.item_ids) == (["U1", "U2"], ["B1", "B2", "B3"])
    assert (data.users.tolist(), data.items.tolist()) == ([0, 0, 1, 0], [0, 1, 0, 2])
    unit = 10**11 if layout == "amazon-2023" else 1
    assert data.times.tolist() == [10 * unit, 30 * unit, 20 * unit, 20 * unit]


def test_products_of_2014_are_python_dicts_with_nested_categories(tmp_path):
    data = load(write(tmp_path, "amazon-2014")[0])
    assert data.catalog.titles == ["Soap & Scum", "", ""]
    assert data.catalog.descriptions[0] == "It's soft."
    assert data.catalog.genres == [("Skin Care", "Body", "Gifts"), ("Skin Care",), ()]
    assert data.catalog.columns == {"brand": ["Acme", "", ""]}
    assert data.skipped == {
        "items not in the catalogue": 1,
        "items without a title": 2,
        "products without a review": 1,
    }


def test_products_of_2018_have_lists_of_html_and_titles_that_are_scripts(tmp_path):
    data = load(write(tmp_path, "amazon-2018")[0])
    assert data.catalog.titles == ['Pen, 2"', "", ""]
    assert data.catalog.descriptions[0] == "Dries fast Blue."
    assert data.catalog.genres[0] == ("Pens & Ink",)
    assert data.skipped["titles that were a script"] == 1
    assert data.skipped["repeated products"] == 1


def test_products_of_2023_have_features_and_a_store(tmp_path):
    data = load(write(tmp_path, "amazon-2023")[0])
    assert data.catalog.descriptions[0] == "Mild For lips."
    assert data.catalog.genres[0] == ("Lips",)
    assert data.catalog.columns == {"brand": ["Lipco", "", ""]}


def test_the_table_of_the_2023_benchmark_is_read_like_the_reviews(tmp_path):
    reviews, _ = write(tmp_path, "amazon-2023")
    slow = load(reviews)
    reviews.unlink()
    rows = [f"{user},{item},4.0,{time * 10**11}" for user, item, time in OLD]
    fast = load(pack(tmp_path / "Beauty.csv.gz", ['"user_id",parent_asin,rating,timestamp', *rows]))
    assert fast.catalog == slow.catalog
    assert fast.times.tolist() == slow.times.tolist()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["user_id,parent_asin,rating,rating,timestamp"], "line 1: column 'rating' appears more"),
        (["user_id,parent_asin,rating,timestamp", f"u,{'x' * 200_000},4,1"], "line 2 is no line"),
        (["user_id,parent_asin,rating,timestamp", "u,a\rb,4,1"], "line 2 is no line of a CSV"),
    ],
)
def test_a_bad_table_of_the_2023_benchmark_is_named(tmp_path, lines, words):
    reviews, _ = write(tmp_path, "amazon-2023")
    reviews.unlink()
    with pytest.raises(DataError, match=rf"Beauty\.csv\.gz, {words}"):
        load(pack(tmp_path / "Beauty.csv.gz", lines))


def test_genres_are_the_commonest_names_below_the_department():
    paths = [["Beauty", "all", f"rare {number:03}"] for number in range(100)]
    records = {str(number): {"categories": [path]} for number, path in enumerate(paths)}
    catalog, _ = product_catalog(list(records), records)
    assert len(catalog.genre_names()) == MAX_GENRES
    assert catalog.genres[0] == ("all", "rare 000")  # "all" and the first 63 rare ones by name
    assert catalog.genres[99] == ("all",)


def test_reviews_without_products_are_refused(tmp_path):
    reviews, meta = write(tmp_path, "amazon-2014")
    meta.unlink()
    for place in (reviews, tmp_path):
        with pytest.raises(DataError, match=r"no meta_Beauty\.json\.gz beside it"):
            load(place)


def test_reviews_of_2018_without_products_are_refused(tmp_path):
    pack(tmp_path / "Office_Products_5.json.gz", old_reviews())
    with pytest.raises(DataError, match=r"no meta_Office_Products\.json\.gz beside it"):
        load(tmp_path)


def test_two_categories_in_a_folder_are_refused(tmp_path):
    write(tmp_path, "amazon-2014")
    pack(tmp_path / "reviews_Toys_5.json.gz", old_reviews())
    pack(tmp_path / "meta_Toys.json.gz", [repr(META_2014[0])])
    with pytest.raises(DataError, match=r"reviews_Beauty_5\.json\.gz, reviews_Toys_5\.json\.gz"):
        load(tmp_path)
    assert load(tmp_path / "reviews_Toys_5.json.gz").skipped["items not in the catalogue"] == 2


def test_a_cut_download_is_refused(tmp_path):
    reviews, _ = write(tmp_path, "amazon-2014")
    reviews.write_bytes(reviews.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"reviews_Beauty_5\.json\.gz is damaged or was cut short"):
        load(reviews)


GOOD = '{"reviewerID": "U", "asin": "B", "overall": 5.0, "unixReviewTime": 1}'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("__import__('os').system('true')", "line 2: .* is no record"),
        ('{"reviewerID": "U"', "line 2: .* is no record"),
        ("[1, 2]", "line 2: .* is no record"),
        (GOOD.replace('"asin": "B"', '"asin": ""'), "line 2: asin is ''"),
        (GOOD.replace('"reviewerID"', '"reviewer"'), "line 2: reviewerID is None"),
        (GOOD.replace("5.0", "NaN"), "line 2: overall is nan"),
        (GOOD.replace(": 1}", ": 1.5}"), "line 2: unixReviewTime is 1.5"),
        (GOOD.replace(": 1}", f": 1{'0' * 400}}}"), r"line 2: unixReviewTime is 10{50,59}, exp"),
        (GOOD.replace(": 1}", ": -1}"), "line 2: timestamp -1 is negative"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, words):
    _, meta = write(tmp_path, "amazon-2014")
    reviews = pack(tmp_path / "reviews_Beauty_5.json.gz", [GOOD, line])
    with pytest.raises(DataError, match=rf"reviews_Beauty_5\.json\.gz, {words}"):
        load(reviews)
    assert meta.is_file()


def test_a_single_file_of_2023_without_products_is_refused(tmp_path):
    reviews, meta = write(tmp_path, "amazon-2023")
    meta.unlink()
    with pytest.raises(DataError, match=r"no meta_Beauty\.jsonl\.gz beside it"):
        load(reviews)
