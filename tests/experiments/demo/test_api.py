"""The demo's answers: lists side by side, searches, new items, and refusals that are JSON."""

import dataclasses
import random
import string
import warnings

import pytest

from experiments.demo.app import make_app
from experiments.demo.guard import LARGEST
from experiments.demo.lists import SideBySide
from experiments.recommend.opened import Opened, open_run
from fedrec.inference.carried import dataset_of_nobody
from fedrec.inference.export import NOBODY


@pytest.fixture
def opened(run_once, small_config):
    """A run, which no test here changes."""
    return open_run(run_once(small_config()))


@pytest.fixture
def client(opened):
    """A client of the application in this process."""
    return client_of(opened)


def client_of(opened):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of starlette, about anyio
        from fastapi.testclient import TestClient
    return TestClient(make_app(opened), base_url="http://127.0.0.1", raise_server_exceptions=False)


def lists_of(client, **whom):
    answer = client.post("/api/lists", json=whom)
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["lists"]}


def test_a_user_gets_the_lists_of_the_model_of_the_texts_and_of_popularity(client, opened):
    ready, user = opened.shared, opened.shared.dataset.user_ids[4]
    found = lists_of(client, user=user, k=5)
    expected = ready.recommend(user, 5)
    assert [one["item"] for one in found["global"]["items"]] == [one.item for one in expected]
    assert found["global"]["views"] == ready.view_weights(user)
    assert found["global"]["items"][0]["views"] == ready.item_views(expected[0].item)
    assert "Nothing is private" in found["personalised"]["reason"]
    seen = set(ready.numbers(user).tolist())
    counts = opened.run.folder / "items.csv"
    rows = [line.split(",") for line in counts.read_text().splitlines()[1:]]
    popular = sorted((-int(row[-1]), int(row[0])) for row in rows if int(row[0]) not in seen)[:5]
    assert [(-one["score"], one["item"]) for one in found["popularity"]["items"]] == [
        (count, ready.catalog.item_ids[item - 1]) for count, item in popular
    ]
    texts = found["semantic"]["items"]
    assert len(texts) == 5
    assert not {one["item"] for one in texts} & {ready.catalog.item_ids[n - 1] for n in seen}


def test_a_history_is_found_by_the_beginnings_of_words_and_recommended_from(client, opened):
    catalog = opened.shared.catalog
    word = catalog.titles[7].split()[0][:4].lower()
    found = client.get("/api/items", params={"q": word}).json()["items"]
    assert catalog.item_ids[7] in [one["item"] for one in found]
    ids = [one["item"] for one in found]
    expected = [one.item for one in opened.shared.recommend(ids, 10)]
    assert [one["item"] for one in lists_of(client, history=ids)["global"]["items"]] == expected
    users = client.get("/api/users", params={"q": "u1"}).json()["users"]
    assert users[:2] == ["u1", "u10"]


def test_a_new_item_is_placed_for_a_user_and_among_all(client, opened):
    ready, user = opened.shared, opened.shared.dataset.user_ids[2]
    genre = ready.catalog.genres[0][0]
    item = {"title": "A Quiet Harbour", "description": "Boats.", "genres": [genre], "user": user}
    found = client.post("/api/new-item", json=item).json()
    longer = ready.with_items(["A Quiet Harbour"], descriptions=["Boats."], genres=[[genre]])
    assert found["rank"] == longer.rank_of("new-1", user)
    in_lists = [
        one
        for one in ready.dataset.user_ids
        if "new-1" in [each.item for each in longer.recommend(one, 10)]
    ]
    assert (found["get_it"], found["asked"]) == (len(in_lists), len(ready.dataset.user_ids))
    ranks = [longer.rank_of("new-1", one["user"]) for one in found["users"]]
    assert [one["rank"] for one in found["users"]] == ranks == sorted(ranks)


def test_what_left_and_what_stayed_is_that_of_the_run(client, opened):
    found = client.get("/api/traffic").json()
    lines = [line for line in opened.run.history if line["round"]]
    assert found["run"]["bytes_up"] == sum(line["bytes_up"] for line in lines) > 0
    names = {one["name"] for one in found["left"]}
    assert "views.identity.rows" in names
    assert {one["name"] for one in found["frozen"]} & names == set()
    assert (
        sum(one["bytes"] for one in found["left"]) == 4 * opened.run.about["parameters"]["shared"]
    )


def test_an_exported_model_serves_histories_alone(opened):
    data = opened.shared.dataset
    nobody = dataset_of_nobody(data.name, data.catalog, data.data_hash, NOBODY)
    carried = dataclasses.replace(opened.shared, dataset=nobody)
    client = client_of(Opened(shared=carried))
    ids = carried.catalog.item_ids[3:5]
    found = lists_of(client, history=ids)
    assert [one["item"] for one in found["global"]["items"]] == [
        one.item for one in opened.shared.recommend(ids)
    ]
    by_run = SideBySide(opened).of(ids, 10)["lists"]
    assert found["popularity"] == by_run[3]
    assert client.get("/api/traffic").json()["run"] is None
    assert 'id="user"' not in client.get("/").text
    refused = client.post("/api/lists", json={"user": "u1"})
    assert refused.status_code == 400
    assert "holds no user" in refused.json()["error"]


def test_the_page_is_small_and_asks_nobody_else(client):
    page = client.get("/")
    parts = [page, client.get("/style.css"), client.get("/script.js")]
    assert sum(len(part.content) for part in parts) < 1_000_000
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for part in parts:
        assert "//" not in part.text.replace("http://127.0.0.1", "").replace("// ", "")


def test_titles_are_text_and_never_markup(opened):
    bad = "<script>alert(1)</script>"
    catalog = dataclasses.replace(
        opened.shared.catalog,
        titles=[f"{bad} \ud800 {n}" for n in range(opened.shared.catalog.num_items)],
    )
    shared = dataclasses.replace(opened.shared, name=bad, catalog=catalog)
    client = client_of(dataclasses.replace(opened, shared=shared))
    assert bad not in client.get("/").text
    assert "&lt;script&gt;" in client.get("/").text
    answer = client.post("/api/lists", json={"user": opened.shared.dataset.user_ids[0]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["lists"][0]["items"][0]["title"].startswith(bad)


NONSENSE = [
    ("GET", "/nowhere", None, 404),
    ("PUT", "/api/lists", "{}", 405),
    ("POST", "/api/lists", "", 422),
    ("POST", "/api/lists", "{", 422),
    ("POST", "/api/lists", "[]", 422),
    ("POST", "/api/lists", "{}", 422),
    ("POST", "/api/lists", '{"user": 7}', 422),
    ("POST", "/api/lists", '{"user": "u1", "history": ["i1"]}', 422),
    ("POST", "/api/lists", '{"user": "nobody \\ud800"}', 422),
    ("POST", "/api/lists", '{"history": []}', 422),
    ("POST", "/api/lists", '{"history": ["\\u0000"]}', 400),
    ("POST", "/api/lists", '{"user": "u1", "k": 1e9}', 422),
    ("POST", "/api/lists", '{"user": "u1", "k": NaN}', 422),
    ("POST", "/api/lists", '{"user": "u1", "other": 1}', 422),
    ("POST", "/api/lists", "[" * 20_000, 400),
    ("POST", "/api/lists", b"\xff\xfe", 422),
    ("POST", "/api/new-item", '{"title": ""}', 422),
    ("POST", "/api/new-item", '{"title": " "}', 400),
    ("POST", "/api/new-item", '{"title": "x", "user": "nobody"}', 400),
    ("GET", "/api/items?q=" + "x" * 300, None, 422),
    ("GET", "/../../etc/passwd", None, 404),
]


@pytest.mark.parametrize("place", range(len(NONSENSE)))
def test_nonsense_is_refused_in_json(client, place):
    method, path, content, status = NONSENSE[place]
    headers = {"content-type": "application/json"}
    answer = client.request(method, path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json()["error"], str)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"host": "evil.example"}, b"{}", 421),
        ({"origin": "http://evil.example"}, b"{}", 403),
        ({"origin": "null"}, b"{}", 403),
        ({}, b" " * (LARGEST + 1), 413),
    ],
)
def test_foreign_pages_and_large_bodies_are_refused_before_they_are_read(
    client, headers, content, status
):
    answer = client.post("/api/lists", content=content, headers=headers)
    assert answer.status_code == status
    assert "error" in answer.json()


def test_random_requests_get_4xx_and_never_a_fault(client):
    draw = random.Random(19)
    paths = ["/api/lists", "/api/new-item", "/api/items", "/api/users", "/", "/x"]
    for _ in range(150):
        content = "".join(draw.choices(string.printable, k=draw.randint(0, 40)))
        answer = client.request(
            draw.choice(["POST", "DELETE", "PATCH"]), draw.choice(paths), content=content
        )
        assert 400 <= answer.status_code < 500
        assert "error" in answer.json()
