"""Who shares counts per item, held-out items and original ids: one rule, by the number of users."""

import math

import pytest

from fedrec.config.config import Config
from fedrec.config.keys import read_config
from fedrec.config.sections.federation import Federation
from fedrec.errors import ConfigError

USERS = {"federation.unit": "user", "local.optimizer-state": "reset"}
FEWEST = "federation.share-counts-min-users"


@pytest.mark.parametrize(
    ("keys", "num_users", "shares"),
    [
        ({}, 19, False),  # the default is 20
        ({}, 20, True),
        ({}, 1, False),
        ({"share_counts_min_users": 1}, 1, True),
        ({"share_counts_min_users": 1}, 0, False),  # has nothing to tell
        ({"share_counts": False, "share_counts_min_users": 1}, 1000, False),
        # A client is one user, however many a SuperNode carries.
        ({"unit": "user"}, 1000, False),
        ({"unit": "user", "share_counts_min_users": 2}, 1000, False),
        ({"unit": "user", "share_counts_min_users": 1}, 1000, True),
    ],
)
def test_a_client_shares_counts_if_it_holds_enough_users(keys, num_users, shares):
    plan = Federation(**keys)
    assert plan.shares_counts(num_users) is shares
    assert (plan.why_no_counts(num_users) == "") is shares


@pytest.mark.parametrize("value", [0, -1])
def test_fewer_than_one_user_is_refused(value):
    with pytest.raises(ConfigError, match=f"{FEWEST} must be a whole number of 1 or more"):
        read_config({FEWEST: value})


NEIGHBOURS = {"model.neighbours": 3}
BY_POPULARITY = {"evaluation.protocol": "full,popularity-100"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            NEIGHBOURS | {"federation.share-counts": False},
            "model.neighbours must be 0 with federation.share-counts = false: which items are "
            "cold is then unknown, got 3",
        ),
        (
            NEIGHBOURS | USERS,
            f"model.neighbours must be 0 with {FEWEST} = 20 and federation.unit = 'user' (set the "
            "former to 1 to share counts): which items are cold is then unknown, got 3",
        ),
        (
            BY_POPULARITY | USERS | {FEWEST: 2},
            f"evaluation.protocol must be another than 'popularity-100' with {FEWEST} = 2 and "
            "federation.unit = 'user' (set the former to 1 to share counts): it draws items by "
            "their counts, got 'full,popularity-100'",
        ),
    ],
)
def test_what_needs_counts_is_refused_where_no_client_can_share_them(changes, message):
    with pytest.raises(ConfigError) as caught:
        read_config(changes)
    assert str(caught.value) == message


@pytest.mark.parametrize("changes", [NEIGHBOURS, BY_POPULARITY])
@pytest.mark.parametrize("others", [{}, USERS | {FEWEST: 1}, {FEWEST: 10**6}])
def test_what_needs_counts_is_taken_where_a_client_may_share_them(changes, others):
    config = read_config(changes | others)  # what the data say is checked with them
    assert config.federation.why_no_counts(math.inf) == ""
    assert list(config.lacking_counts("")) == []


def test_the_largest_partition_decides_once_the_data_are_known():
    config = read_config(NEIGHBOURS)
    why = config.federation.why_no_counts(6)
    assert why == f"{FEWEST} = 20, where the largest client holds 6 users"
    [line] = config.lacking_counts(why)
    assert line.startswith(f"model.neighbours must be 0 with {why}: which items")
    assert list(Config().lacking_counts(why)) == []
