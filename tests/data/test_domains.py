"""Several sources as one: nobody meets another domain's users or items."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.config.keys import absolute_paths, computed_keys, read_config
from fedrec.data.domains import Domains, domain_names, merge_domains
from fedrec.data.interactions import to_sequences
from fedrec.data.preparation.store import open_dataset, prepare
from fedrec.data.readers.tables import Columns, load_frame
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scores, leave_one_out_ranks
from fedrec.evaluation.protocols import candidates, describe


def shop(rows, *, time=True, **columns):
    """Events ``(user, item, time)`` as a loader gives them."""
    frame = pd.DataFrame(rows, columns=["user", "item", "time"]).assign(**columns)
    frame = frame if time else frame.drop(columns="time")
    return load_frame(frame, Columns(time="time" if time else ""))


def test_ids_stay_where_they_are_distinct_and_carry_the_domain_where_they_clash():
    first, second = shop([("u", "a", 1)]), shop([("v", "a", 1), ("u2", "b", 2)])
    joined = merge_domains({"x": first, "y": second})
    assert joined.user_ids == ["u", "v", "u2"]
    assert joined.item_ids == ["x:a", "y:a", "y:b"]
    assert (joined.users.tolist(), joined.items.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert joined.attributes == {"domain": ["x", "y", "y"]}
    assert joined.catalog.columns == {"domain": ["x", "y", "y"]}


def test_who_is_known_to_two_shops_is_two_users():
    joined = merge_domains({"x": shop([("u", "a", 1)]), "y": shop([("u", "b", 1)])})
    assert joined.user_ids == ["x:u", "y:u"]


def test_columns_that_one_domain_lacks_are_empty_there():
    with_brand = load_frame(
        pd.DataFrame({"user": ["u"], "item": ["a"], "time": [1], "brand": ["Acme"], "sex": ["F"]}),
        Columns(texts=("brand",), attributes=("sex",)),
    )
    joined = merge_domains({"x": shop([("v", "b", 1)]), "y": with_brand})
    assert joined.catalog.columns["brand"] == ["", "Acme"]
    assert joined.attributes["sex"] == ["other", "F"]


def test_times_go_where_a_domain_has_none_but_their_order_stays():
    timed, bare = shop([("u", "a", 9), ("u", "b", 5)]), shop([("v", "c", 0)], time=False)
    joined = merge_domains({"x": timed, "y": bare})
    assert joined.times is None
    assert [joined.item_ids[item] for item in joined.items] == ["b", "a", "c"]
    assert joined.notes == ("y: no time column: the order of the rows is the time order",)


def test_seconds_become_milliseconds_beside_milliseconds():
    joined = merge_domains({"x": shop([("u", "a", 10**9)]), "y": shop([("v", "b", 10**12)])})
    assert joined.times.tolist() == [10**12, 10**12]


def test_a_domain_must_not_say_domain_itself():
    taken = load_frame(
        pd.DataFrame({"user": ["u"], "item": ["a"], "time": [1], "domain": ["z"]}),
        Columns(attributes=("domain",)),
    )
    with pytest.raises(DataError, match="x has a column or attribute 'domain' of its own"):
        merge_domains({"x": taken, "y": shop([("v", "b", 1)])})


def test_each_domain_has_the_sequences_that_it_has_alone():
    rng = np.random.default_rng(0)
    parts = {
        name: shop([(f"{name}{u}", f"{name}{rng.integers(9)}", int(t))
                    for u in range(8) for t in rng.permutation(6)])
        for name in ("x", "y")
    }  # fmt: skip
    joined = to_sequences(merge_domains(parts), min_item_events=4)
    found = {}
    for part in parts.values():
        alone = to_sequences(part, min_item_events=4)
        ids = np.array(["", *alone.catalog.item_ids])
        found |= {u: ids[alone.sequences.of(n)].tolist() for n, u in enumerate(alone.user_ids)}
    ids = np.array(["", *joined.catalog.item_ids])
    assert found == {
        user: ids[joined.sequences.of(number)].tolist()
        for number, user in enumerate(joined.user_ids)
    }


def test_names_that_come_again_are_numbered():
    assert domain_names(["synthetic", "office", "synthetic"]) == [
        "synthetic", "office", "synthetic-2"
    ]  # fmt: skip


TWO = "synthetic:users=40,items=80 + synthetic:users=30,items=60"


def test_several_sources_are_prepared_as_domains(fedrec_home):
    dataset = open_dataset(prepare(TWO, home=fedrec_home, seed=3, min_item_events=1))
    domains = dataset.domains
    assert domains.names == ("synthetic", "synthetic-2")
    assert dataset.attributes["domain"] == [domains.names[number] for number in domains.of_user]
    for user in range(dataset.sequences.num_users):
        items = dataset.sequences.of(user)
        assert not domains.outside(np.array([user]))[0, items].any()
    assert sum(map(len, domains.catalogues)) == dataset.catalog.num_items
    assert domains.smallest == len(domains.catalogues[1])


def test_one_source_is_no_domain(fedrec_home):
    assert open_dataset(prepare("synthetic:users=40", home=fedrec_home, seed=3)).domains is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("synthetic + synthetic", "synthetic twice"),
        ("synthetic + ", "synthetic with nothing"),
        ("synthetic +", "synthetic with nothing"),  # as --set and a config leave it
        ("+ synthetic", "synthetic with nothing"),
    ],
)
def test_sources_that_cannot_be_joined_are_refused(fedrec_home, source, words):
    with pytest.raises(ConfigError, match=rf"data\.source joins {words}"):
        prepare(source, home=fedrec_home, seed=0)


def test_paths_in_a_joined_source_are_made_absolute_and_count_by_name(tmp_path):
    for name in ("a+b.csv", "c.csv"):
        (tmp_path / name).write_text("user,item,time\n")
    config = absolute_paths(read_config({"data.source": "a+b.csv + c.csv + ml-1m"}), tmp_path)
    assert config.data.source == f"{tmp_path}/a+b.csv + {tmp_path}/c.csv + ml-1m"
    assert computed_keys(config)["data.source"] == "a+b.csv + c.csv + ml-1m"


@st.composite
def worlds(draw):
    """Domains of some users and items, at least one item and user each."""
    names = ("x", "y", "z")[: draw(st.integers(1, 3))]
    numbers = st.lists(st.sampled_from(range(len(names))), max_size=8)
    of_item = np.array([-1, *range(len(names)), *draw(numbers)])
    of_user = np.array([*range(len(names)), *draw(numbers)])
    return Domains(names, of_user, of_item)


def test_the_candidates_beside_some_items_are_those_of_their_domain():
    domains = Domains(("x", "y"), np.array([0, 1]), np.array([-1, 0, 0, 0, 1, 1]))
    assert domains.span_of(np.array([2])) == range(1, 4)
    assert domains.span_of(np.array([5, 4, 5])) == range(4, 6)
    with pytest.raises(DataError, match="a history cannot hold items of x and y"):
        domains.span_of(np.array([3, 4]))


@given(worlds())
def test_a_user_s_catalogue_and_what_is_outside_make_up_all_items(domains):
    users = np.arange(len(domains.of_user))
    outside = domains.outside(users)
    assert not outside[:, 0].any()
    for user, domain in enumerate(domains.of_user):
        own = domains.catalogues[domain]
        assert not outside[user, own].any()
        assert outside[user].sum() + len(own) == len(domains.of_item) - 1


@given(worlds(), st.integers(0, 5))
def test_no_candidate_is_foreign_and_all_own_items_are_ranked(domains, seed):
    """A scorer that puts foreign items on top changes no rank."""
    users = np.arange(len(domains.of_user))
    own = [domains.catalogues[domain] for domain in domains.of_user]
    rows = [np.resize(items, 3) for items in own]
    from fedrec.data.sequences import Sequences

    sequences = Sequences(np.concatenate(rows).astype(np.int32), np.arange(0, 3 * len(rows) + 1, 3))

    def scorer(histories, *_):
        scores = np.tile(np.arange(len(domains.of_item), dtype=np.float64), (len(histories), 1))
        for row, history in enumerate(histories):
            scores[row, domains.of_item != domains.of_item[history[0]]] = 1e9
        return Scores(scores, no_gates())

    found = leave_one_out_ranks(
        scorer, sequences, users, stage="test", protocols=["full"],
        num_items=len(domains.of_item) - 1, counts=None, seed=seed, domains=domains,
    )  # fmt: skip
    for user, items in enumerate(own):
        target, history = rows[user][2], rows[user][:2]
        allowed = [item for item in items if item == target or item not in history]
        assert found.num_candidates[user] == len(allowed)
        assert found.ranks["full"][user] == 1 + sum(item > target for item in allowed)


@pytest.mark.parametrize("protocol", ["uniform-99", "popularity-100"])
def test_sampled_candidates_are_of_the_user_s_own_domain(protocol):
    of_item = np.array([-1, *[0] * 150, *[1] * 150])
    domains = Domains(("x", "y"), np.array([0, 1, 1]), of_item)
    users, targets = np.arange(3), np.array([5, 160, 170])
    drawn = candidates(
        protocol, users=users, histories=[np.array([1]), np.array([151]), np.array([152])],
        targets=targets, num_items=300, counts=np.arange(301) + 1, seed=0, stage="test",
        outside=domains.outside(users),
    )  # fmt: skip
    np.testing.assert_array_equal(of_item[drawn], np.repeat([[0], [1], [1]], drawn.shape[1], 1))
    assert not np.isin([1, 151, 152], drawn.diagonal()).any()


def test_the_report_says_that_catalogues_are_apart():
    words = describe("full", 50, {"x": 1200, "y": 20})
    assert "all items of the user's domain" in words
    assert "one domain only (x 1,200, y 20)" in words
