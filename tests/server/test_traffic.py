"""What one-user clients move, worked out by hand."""

import numpy as np
import pytest

from fedrec.models.parameters import groups_of
from server.reading import Trained
from server.rounds import train_round
from server.selection import Population
from server.traffic import ROW_NUMBER, UserTraffic, count_round, traffic_of

USERS = {
    "federation.unit": "user",
    "federation.cohort": 20,
    "local.optimizer-state": "reset",
    "local.optimizer": "sgd",
    "local.steps": 1,
    "loss.negatives": 5,
}


def test_every_array_of_the_model_is_counted_in_one_place(small_home, small_config, opened):
    num_items, _, model = opened(small_config())
    shared = groups_of(model).shared
    found = traffic_of(model, shared)
    width = small_config().model.width
    assert found.row == 4 * width + ROW_NUMBER
    parameters = sum(4 * p.numel() for p in model.parameters())
    assert found.dense + 4 * width * (num_items + 1) == parameters
    assert found.table >= 4 * 6 * (num_items + 1)  # the meanings are 6 wide
    private = groups_of(model, ["gate-bias"]).shared
    assert traffic_of(model, private).dense == found.dense - 4 * 3


def test_rounded_updates_count_their_scales(small_home, small_config, opened):
    _, _, model = opened(small_config())
    shared = groups_of(model).shared
    full, small = traffic_of(model, shared), traffic_of(model, shared, upload="int8")
    assert (full.dense_up, full.row_up) == (full.dense, full.row)
    assert small.dense_up == full.dense // 4 + 4 * len(shared)
    assert small.row_up == small_config().model.width + ROW_NUMBER
    assert (small.dense, small.row, small.table) == (full.dense, full.row, full.table)
    half = traffic_of(model, shared, download="float16")
    assert (half.dense, half.row - ROW_NUMBER) == (full.dense // 2, (full.row - ROW_NUMBER) // 2)
    assert (half.dense_up, half.row_up, half.table) == (full.dense_up, full.row_up, full.table)


def test_without_an_identity_view_no_rows_travel(small_home, small_config, opened):
    _, _, model = opened(small_config({"model.views": "semantic,content"}))
    assert traffic_of(model, groups_of(model).shared).row == 0


def replied(users, rows):
    arrays = {"users": np.array(users), "rows": np.array(rows)}
    return Trained(None, {}, 0.0, 1, "", 1, len(users), **arrays)


def test_the_table_travels_once_to_each_user():
    traffic = UserTraffic(dense=1000, row=10, table=500, dense_up=250, row_up=4)
    everyone = np.array([3, 4, 7, 8, 11, 12, 20, 21, 22])
    population = Population(everyone, np.zeros(9), np.ones(9))
    down, up, seen = count_round(
        traffic, population, "", [replied([4, 22], [30, 7]), replied([11], [1])]
    )
    assert up == 3 * 250 + 4 * 38
    assert down == 3 * 1000 + 10 * 38 + 3 * 500
    down, up, again = count_round(traffic, population, seen, [replied([4, 3], [2, 2])])
    assert (down, up) == (2040 + 500, 516)
    assert bytes.fromhex(seen) == bytes([0b01001000, 0b10000000])
    assert bytes.fromhex(again) == bytes([0b11001000, 0b10000000])


def test_a_round_counts_what_its_users_read(small_federation, opened):
    federation, state = small_federation(USERS)
    _, training, _ = opened(federation.config)
    chosen = federation.population.draw(20, is_poisson=False, seed=0, round=1)
    line = train_round(federation, state, 1)
    traffic = federation.traffic
    least = sum(len(np.unique(training.of(int(u))[-13:])) for u in chosen)
    rows = (line["bytes_up"] - 20 * traffic.dense) / traffic.row
    assert least <= rows <= least + 20 * 5
    assert line["bytes_down"] == line["bytes_up"] + 20 * traffic.table
    total = line["bytes_up"] + line["bytes_down"]
    assert line["client_megabytes"] == pytest.approx(total / 1e6 / len(federation.population.users))
