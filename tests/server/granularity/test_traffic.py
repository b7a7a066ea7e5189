"""What one-user clients move, worked out by hand."""

import numpy as np
import pytest
import torch

from fedrec.models.parameters import groups_of
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.plan import CohortPlan
from server.granularity.traffic import UserTraffic, count_users, max_rows, traffic_of
from server.replies.train import TrainReply
from server.sampling.population import Population

# --- one user -----------------------------------------------------------------------------------


def test_every_array_of_the_model_is_counted_in_one_place(small_home, small_config, opened):
    num_items, _, model = opened(small_config())
    shared = groups_of(model).shared
    found = traffic_of(model, shared)
    width = small_config().model.width
    assert found.row == 4 * width
    parameters = sum(4 * p.numel() for p in model.parameters())
    assert found.dense + 4 * width * (num_items + 1) == parameters
    assert found.evaluation == parameters - 4 * width  # all but the row of the padding
    assert found.num_items == num_items
    assert found.table >= 4 * 6 * (num_items + 1)  # the meanings are 6 wide
    private = groups_of(model, ["gate-bias"]).shared
    assert traffic_of(model, private).dense == found.dense - 4 * 3


def test_rounded_updates_count_their_scales(small_home, small_config, opened):
    _, _, model = opened(small_config())
    shared = groups_of(model).shared
    full, small = traffic_of(model, shared), traffic_of(model, shared, upload="int8")
    assert (full.dense_up, full.row_up) == (full.dense, full.row)
    assert small.dense_up == full.dense // 4 + 4 * len(shared)
    assert small.row_up == small_config().model.width
    assert (small.dense, small.row, small.table) == (full.dense, full.row, full.table)
    half = traffic_of(model, shared, download="float16")
    assert (half.dense, half.row) == (full.dense // 2, full.row // 2)
    assert (half.dense_up, half.row_up, half.table) == (full.dense_up, full.row_up, full.table)
    assert half.evaluation == full.evaluation  # evaluation rounds nothing
    bytewise = traffic_of(model, shared, download="int8")
    parameters = dict(model.named_parameters())
    shapes = [parameters[n].shape for n in shared if n not in set(model.item_arrays)]
    scales = sum(len(torch.empty(shape)) if len(shape) > 1 else 1 for shape in shapes)
    assert bytewise.dense == full.dense // 4 + 4 * scales
    assert bytewise.row == small_config().model.width + 4  # a scale for each row


def test_without_an_identity_view_no_rows_travel_and_none_is_named(
    small_home, small_config, opened
):
    _, _, model = opened(small_config({"model.views": "semantic,content"}))
    found = traffic_of(model, groups_of(model).shared)
    assert found.row == found.row_up == found.num_items == 0
    assert found.up(np.array([7, 60])) == 2 * found.dense_up


@pytest.mark.parametrize(
    ("rows", "num_items", "expected"),
    [
        (3, 100, 12),  # 4 bytes each; a bit for each of 100 items were 13
        (4, 100, 13),
        (99, 100, 13),
        (100, 100, 0),  # all of them: there is nothing to say
        (1, 1, 0),
        (26, 3416, 104),
        (106, 3416, 424),  # 3416 / 8 = 427
        (107, 3416, 427),
    ],
)
def test_rows_are_named_in_the_shortest_way(rows, num_items, expected):
    traffic = UserTraffic(row=1, row_up=1, num_items=num_items)
    assert traffic.index_bytes(np.array([rows])) == expected
    assert traffic.up(np.array([rows])) == traffic.down(np.array([rows]), 0) == rows + expected


def test_each_user_names_its_rows_by_itself():
    traffic = UserTraffic(row=1, num_items=100)
    assert traffic.index_bytes(np.array([3, 4, 100, 50])) == 12 + 13 + 0 + 13
    assert traffic.index_bytes(np.array([], dtype=np.int64)) == 0


@pytest.mark.parametrize(
    ("loss", "plan", "expected"),
    [
        # A window of 2 targets reads 3 items; 10 targets, 11.
        ({"name": "sampled-softmax", "negatives": 5}, {"steps": 1}, [8, 16]),
        ({"name": "sampled-softmax", "negatives": 5}, {"steps": 3}, [18, 26]),
        ({"name": "bce", "negatives": 5}, {"steps": 2}, [7, 31]),  # one a target and step
        ({"name": "gbce", "negatives": 5}, {"steps": 1}, [13, 40]),  # 61 of 40 items
        ({"name": "softmax"}, {"steps": 1}, [40, 40]),
        ({"name": "bce"}, {"steps": 1, "weight_decay": 0.1}, [40, 40]),  # every row moves
    ],
)
def test_no_user_reads_more_rows_than_its_targets_allow(loss, plan, expected):
    made = CohortPlan(learning_rate=1.0, max_length=50, **plan)
    got = max_rows(made, CohortLoss(num_items=40, **loss), np.array([2, 10]))
    assert got.tolist() == expected


# --- an attempt ---------------------------------------------------------------------------------

TRAFFIC = UserTraffic(dense=1000, row=10, dense_up=250, row_up=4, table=500, num_items=1000)
NINE = Population(
    users=np.array([3, 4, 7, 8, 11, 12, 20, 21, 22]),
    partitions=np.zeros(9),
    targets=np.array([5, 6, 7, 8, 9, 10, 11, 12, 13]),
)


def reply_of(users, rows):
    arrays = {"users": np.array(users), "rows": np.array(rows)}
    return TrainReply(
        reply=None,
        update={},
        loss=0.0,
        targets=1,
        private="",
        weight=1,
        clients=len(users),
        **arrays,
    )


def counted(sent_to, *, responded=None, accepted=None, participants=""):
    """Where no reply tells, a user reads as many rows as it has targets."""
    accepted = accepted or {}
    return count_users(
        TRAFFIC,
        NINE,
        participants,
        sent_to={partition: np.array(users) for partition, users in sent_to.items()},
        responded=set(accepted) if responded is None else responded,
        accepted=accepted,
        max_rows=lambda targets: targets.copy(),
    )


def test_the_table_travels_once_to_each_user():
    sent_to = {0: [4, 22], 2: [11]}
    first = counted(sent_to, accepted={0: reply_of([4, 22], [30, 7]), 2: reply_of([11], [1])})
    # 38 rows; named by 4 bytes each, but 30 rows by 1000 bits, which is as long as 31.25 numbers
    assert first.up == 3 * 250 + 4 * 38 + 4 * 38
    assert first.down == 3 * 1000 + 10 * 38 + 4 * 38 + 3 * 500
    again = counted(
        {0: [3, 4]}, accepted={0: reply_of([3, 4], [2, 2])}, participants=first.participants
    )
    assert (again.down, again.up) == (2040 + 16 + 500, 516 + 16)
    assert bytes.fromhex(first.participants) == bytes([0b01001000, 0b10000000])
    assert bytes.fromhex(again.participants) == bytes([0b11001000, 0b10000000])


def test_a_broken_user_has_got_its_download_and_sent_its_update():
    found = counted({0: [4, 7, 22]}, accepted={0: reply_of([4, 22], [30, 7])})
    rows = 30 + 7 + 7  # the broken one, user 7, has 7 targets
    assert found.down == 3 * 1500 + (10 + 4) * rows
    assert found.up == 3 * 250 + (4 + 4) * rows


def test_a_refused_reply_was_sent_and_one_that_never_came_was_not():
    sent_to = {0: [3, 4], 1: [8]}
    refused, silent = counted(sent_to, responded={0, 1}), counted(sent_to, responded={1})
    assert refused.down == silent.down == 3 * 1500 + 14 * (5 + 6 + 8)
    assert refused.up == 3 * 250 + 8 * (5 + 6 + 8)
    assert silent.up == 250 + 8 * 8
    assert refused.participants == silent.participants  # the table is with them


def test_where_all_drop_out_nothing_moves():
    found = counted({})
    assert (found.down, found.up) == (0, 0)
    assert int(found.participants, 16) == 0


# --- a round ------------------------------------------------------------------------------------


# --- an evaluation ------------------------------------------------------------------------------
