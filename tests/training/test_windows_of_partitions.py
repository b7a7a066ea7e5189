"""A partition reads the windows of its users as users by themselves do."""

import copy

import numpy as np
import pytest
import torch

from fedrec.training.batches import collate
from fedrec.training.dropout import draw_dropout_masks
from fedrec.training.local import Plan, fit
from fedrec.training.objective import make_objective
from tests.conftest import NUM_ITEMS
from tests.training.cohort.one_by_one import cohort, histories, loss_named, plan, shaken


def test_windows_of_a_batch_by_hand():
    data = histories(8, 3)
    long, short = data.of(0).tolist(), data.of(1).tolist()
    # Seven targets in windows of three: the newest two are full, the oldest has one.
    batch = collate(data, np.array([0, 1]), max_length=3, windows=0)
    assert batch.users.tolist() == [0, 0, 0, 1]
    assert batch.items.tolist() == [
        long[1:4],
        long[4:7],
        [long[0], 0, 0],
        [*short[:2], 0],
    ]
    assert batch.targets.tolist() == [
        long[2:5],
        long[5:8],
        [long[1], 0, 0],
        [*short[1:], 0],
    ]
    assert batch.lengths.tolist() == [3, 3, 1, 2]
    assert batch.targets_of == {0: 7, 1: 2}
    newest = collate(data, np.array([0, 1]), max_length=3, windows=2)
    assert newest.users.tolist() == [0, 0, 1]
    assert newest.items.tolist() == batch.items[[0, 1, 3]].tolist()


def test_windows_of_a_user_take_its_masks_one_behind_the_other():
    how = {"num_masks": 5, "width": 4, "dropout": 0.25, "path": (3, 0), "seed": 0}
    whole = draw_dropout_masks(np.array([7]), np.array([7]), **how)
    apart = draw_dropout_masks(np.array([7, 5, 7]), np.array([3, 2, 4]), **how)
    assert torch.equal(apart[:, 0, :3], whole[:, 0, :3])
    assert torch.equal(apart[:, 2, :4], whole[:, 0, 3:])
    assert torch.equal(apart[:, 1:2, :2], draw_dropout_masks(np.array([5]), np.array([2]), **how))


@pytest.mark.parametrize("name", ["sampled-softmax", "softmax", "bce", "gbce", "bpr"])
@pytest.mark.parametrize("windows", [0, 1, 2])
def test_a_batch_of_users_is_the_mean_over_a_cohort_of_them(make_tiny, windows, name):
    model, training = shaken(make_tiny()), histories(9, 35, 21, 12, 2)
    users = np.arange(5)
    asked = plan(steps=1, dropout=0.2, identity_dropout=0.2, newest_windows=windows)
    got = cohort(model, training, users, asked, loss_named(name))
    own = copy.deepcopy(model)
    objective = make_objective(
        name,
        training=training,
        catalogue=np.arange(1, NUM_ITEMS + 1),
        negatives=6,
        log_q=True,
        calibration=0.75,
    )
    pooled = Plan(
        epochs=1,
        steps=0,
        batch_size=5,
        max_length=10,
        windows=windows,
        dropout=0.2,
        identity_dropout=0.2,
    )
    facts = {"plan": pooled, "seed": 7, "round": 4, "partition": 0}
    optimizer = torch.optim.SGD(own.parameters(), lr=0.1)
    done = fit(own, optimizer, objective, training, users, **facts)
    assert done.targets == got.targets.sum() == {0: 74, 1: 39, 2: 60}[windows]
    assert done.loss == pytest.approx(np.average(got.losses, weights=got.targets))
    for (label, before), after in zip(model.named_parameters(), own.parameters(), strict=True):
        moved = (after - before).detach().numpy() * got.weight
        np.testing.assert_allclose(got.total[label], moved, atol=1e-10, err_msg=label)
