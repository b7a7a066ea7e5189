"""Losses where users have catalogues of their own: items 1..25 are of domain 0, 26..40 of 1."""

import numpy as np
import pytest
import torch

from fedrec.data.sequences import Sequences
from fedrec.training.batches import collate
from fedrec.training.domains import each_in_its_domain
from fedrec.training.objective import StepSeeds, make_objective

CATALOGUES = (np.arange(1, 26), np.arange(26, 41))
LOSSES = ["sampled-softmax", "softmax", "bce", "gbce"]
OF_USER = np.array([0, 1, 1, 0])


@pytest.fixture(scope="module")
def training():
    rng = np.random.default_rng(4)
    rows = [rng.choice(CATALOGUES[domain], 7, replace=False) for domain in OF_USER]
    return Sequences(np.concatenate(rows).astype(np.int32), np.arange(0, 29, 7, dtype=np.int64))


def objectives(name, training):
    return [
        make_objective(
            name, training=training, catalogue=items, negatives=6, log_q=True, calibration=0.75
        )
        for items in CATALOGUES
    ]


def seeds(dropout=0.0):
    return StepSeeds(seed=0, round=1, step=0, dropout=dropout, identity_dropout=0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_no_foreign_item_is_compared_with_a_user_s_targets(make_tiny, training, name):
    model = make_tiny(name="sasrec")
    objective = each_in_its_domain(objectives(name, training), OF_USER)
    objective(model, collate(training, np.array([1, 2]), 10), seeds()).backward()
    [rows] = [p.grad for name, p in model.named_parameters() if "rows" in name]
    assert not rows[CATALOGUES[0]].any()
    assert rows[CATALOGUES[1]].any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_mixed_batch_is_the_mean_of_its_domains_over_targets(make_tiny, training, name):
    model, made = make_tiny(), objectives(name, training)
    users = np.arange(4)
    mixed = each_in_its_domain(made, OF_USER)(model, collate(training, users, 10), seeds())
    alone = [
        made[domain](model, collate(training, users[domain == OF_USER], 10), seeds())
        for domain in (0, 1)
    ]
    torch.testing.assert_close(mixed, (alone[0] + alone[1]) / 2)  # 12 targets in each


@pytest.mark.parametrize("name", LOSSES)
def test_a_silo_s_loss_is_the_one_that_it_has_alone(make_tiny, training, name):
    """The second domain as a catalogue of its own: items 26..40 become 1..15."""
    meaning = np.random.default_rng(5).normal(size=(41, 6)).astype(np.float32)
    meaning[0] = 0
    model = make_tiny(views="semantic", semantic=meaning)
    small = make_tiny(views="semantic", semantic=meaning)
    with torch.no_grad():  # rows 1..15 of the small one mean what 26..40 mean
        for buffer, whole in zip(small.buffers(), model.buffers(), strict=True):
            if whole.shape[:1] == (41,):
                buffer[1:16] = whole[26:41]
    users = np.array([1, 2])
    own = Sequences(np.where(training.items > 25, training.items - 25, training.items),
                    training.offsets)  # fmt: skip
    alone = make_objective(
        name, training=own, catalogue=np.arange(1, 16), negatives=6, log_q=True, calibration=0.75
    )
    expected = alone(small, collate(own, users, 10), seeds())
    silo = each_in_its_domain(objectives(name, training), OF_USER)
    torch.testing.assert_close(silo(model, collate(training, users, 10), seeds()), expected)


def test_dropout_masks_belong_to_users_whoever_is_in_the_batch(make_tiny, training):
    model, users = make_tiny(), np.arange(4)
    made = objectives("softmax", training)
    mixed = each_in_its_domain(made, OF_USER)(model, collate(training, users, 10), seeds(0.3))
    alone = [
        made[domain](
            model,
            collate(training, users[domain == OF_USER], 10),
            seeds(0.3),
        )
        for domain in (0, 1)
    ]
    torch.testing.assert_close(mixed, (alone[0] + alone[1]) / 2)
