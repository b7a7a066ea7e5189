"""A session of a day is a user: who it is of, what it keeps, and what it cannot go with."""

import numpy as np
import pandas as pd
import pytest

from fedrec.baselines.oracle import oracle_scorer, oracle_scores, world_of
from fedrec.config.keys import read_config
from fedrec.data.day_sessions import NOTE, day_sessions
from fedrec.data.preparation.reviews import with_reviews
from fedrec.data.preparation.store import Dataset, open_dataset, prepare
from fedrec.data.preparation.thresholds import Thresholds
from fedrec.data.readers.tables import Columns, load_frame
from fedrec.data.splits import history
from fedrec.errors import ConfigError, DataError

DAY = 86_400
HOURS = [
    0,
    DAY - 1,
    DAY,
    3 * DAY + 5,
]  # two events of 1 January 1970, one of the 2nd, one of the 4th


def events(times, users=None, **columns):
    users = users or ["u"] * len(times)
    items = [f"i{n}" for n in range(len(times))]
    frame = pd.DataFrame({"user": users, "item": items, "time": times} | columns)
    return load_frame(frame, Columns(attributes=tuple(columns)))


@pytest.mark.parametrize("unit", [1, 1000])
def test_events_of_one_day_in_utc_are_a_user(unit):
    start = 20_000 * DAY  # 2024-10-04
    made = day_sessions(events([(start + hour) * unit for hour in HOURS]))
    assert made.user_ids == ["u 2024-10-04", "u 2024-10-05", "u 2024-10-07"]
    assert made.users.tolist() == [0, 0, 1, 2]
    assert made.notes == (NOTE,)


def test_sessions_are_by_person_then_day_and_keep_the_person_s_attributes():
    made = day_sessions(
        events([3 * DAY, 0, 0, DAY], ["b", "a", "b", "a"], country=["NL", "PT", "NL", "PT"])
    )
    assert made.user_ids == ["b 1970-01-01", "b 1970-01-04", "a 1970-01-01", "a 1970-01-02"]
    assert made.users.tolist() == [1, 2, 0, 3]
    assert made.attributes == {"country": ["NL", "NL", "PT", "PT"]}


def test_events_without_times_have_no_days():
    frame = pd.DataFrame({"user": ["u"], "item": ["i"]})
    with pytest.raises(DataError, match=r"data\.sessions = 'day' needs the times .*time-column"):
        day_sessions(load_frame(frame, Columns(time="")))


def table(tmp_path):
    """Two persons, three events each on each of two days, of three items."""
    rows = [
        f"{user},{item},{day * DAY + place * 60}"
        for user in "ab"
        for day in (0, 1)
        for place, item in enumerate("xyz" if day else "zyx")
    ]
    path = tmp_path / "shop.csv"
    path.write_text("\n".join(["user,item,time", *rows]) + "\n")
    return path


def test_a_prepared_dataset_has_a_sequence_for_each_session(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path))
    path = table(tmp_path)
    whole = Dataset.load(str(path), min_item_events=1)
    days = Dataset.load(str(path), min_item_events=1, sessions="day")
    assert (whole.sequences.num_users, days.sequences.num_users) == (2, 4)
    assert days.folder != whole.folder
    ids = np.array(["", *days.catalog.item_ids])
    own = [ids[days.sequences.of(user)].tolist() for user in range(4)]
    assert own == [list("zyx"), list("xyz"), list("zyx"), list("xyz")]
    assert days.manifest["facts"]["sessions"] == "day"
    with pytest.raises(ConfigError, match=r"data\.sessions is 'day', but .* prepared without it"):
        prepare(str(whole.folder), home=tmp_path, seed=0, sessions="day")


def test_without_sessions_no_hash_of_prepared_data_is_another():
    assert Thresholds(5, 3, 0).options == {"min_item_events": 5, "min_user_events": 3}


def test_what_knows_persons_is_refused():
    keys = {"data.sessions": "day", "evaluation.protocol": "full,ncf-99"}
    with pytest.raises(ConfigError, match=r"'ncf-99' is about persons; leave data\.sessions out"):
        read_config(keys | {"evaluation.ncf-negatives": "x.tar"})
    with pytest.raises(ConfigError, match=r"data\.sessions must be '' .* or 'day', got 'week'"):
        read_config({"data.sessions": "week"})
    with pytest.raises(ConfigError, match="'reviews', which persons have written"):
        with_reviews(None, [], {"sessions": "day"})


def test_the_oracle_of_a_session_has_the_taste_of_its_person(small_home):
    days = open_dataset(
        prepare("synthetic:users=40,items=60", home=small_home, seed=0, sessions="day")
    )
    session = 3
    person = int(days.user_ids[session].split()[0].removeprefix("u"))
    last = int(history(days.sequences, session, "test")[-1])
    items = np.array([int(item.removeprefix("i")) for item in days.catalog.item_ids])
    expected = world_of(days).probabilities(np.array([person]), items[[last - 1]])[0, items]
    scores = oracle_scores(days, np.array([session]), "test")
    np.testing.assert_array_equal(scores[0, 1:], expected)
    of_history = oracle_scorer(days)([history(days.sequences, session, "test")])
    assert np.isfinite(of_history.scores).all()
