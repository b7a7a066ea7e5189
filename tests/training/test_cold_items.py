"""Items that training knows nothing of: no negatives under any loss, on either engine."""

import numpy as np
import pytest
import torch

from fedrec.training.batches import collate
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.negatives import open_items
from fedrec.training.objective import StepSeeds, make_objective
from tests.training.cohort.one_by_one import LOSSES, NUM_ITEMS, cohort, histories, plan, shaken

COLD = (32, 36, 39)  # nobody's history holds an item above 31
SEED, ROUND = 7, 4  # of ``cohort``


def gradient(model, training, users, name, own_history="leave-out"):
    """Loss of a batch, its gradient left in the model's parameters."""
    objective = make_objective(
        name,
        training=training,
        catalogue=open_items(NUM_ITEMS, COLD),
        negatives=6,
        log_q=True,
        calibration=0.75,
        own_history=own_history,
    )
    model.zero_grad()
    loss = objective(
        model,
        collate(training, users, 10),
        StepSeeds(seed=SEED, round=ROUND, step=0, dropout=0.0, identity_dropout=0.0),
    )
    loss.backward()
    return loss.item()


@pytest.mark.parametrize("name", LOSSES)
def test_what_a_cold_item_is_changes_no_loss_and_its_row_never_moves(make_tiny, name):
    model, training = shaken(make_tiny(name="sasrec")), histories(5, 9, 11)
    before = gradient(model, training, np.arange(3), name)
    assert (model.rows.grad[list(COLD)] == 0).all()
    with torch.no_grad():
        model.rows[list(COLD)] = 100.0
    assert gradient(model, training, np.arange(3), name) == before


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("model_name", "own_history"),
    [("sasrec", "leave-out"), ("hybrid", "leave-out"), ("sasrec", "keep")],
)
def test_a_user_of_a_cohort_follows_the_same_gradient(make_tiny, name, model_name, own_history):
    model, training = shaken(make_tiny(name=model_name)), histories(9)
    gradient(model, training, np.arange(1), name, own_history)
    loss = CohortLoss(
        name=name, num_items=NUM_ITEMS, negatives=6, cold=COLD, own_history=own_history
    )
    jointly = cohort(model, training, [0], plan(steps=1), loss)
    alone = cohort(model, training, [0], plan(steps=1), loss, watch=lambda now: None)
    for key, parameter in model.named_parameters():
        step = -0.1 * parameter.grad.numpy() * jointly.weight
        np.testing.assert_allclose(jointly.total[key], step, atol=1e-10)
        np.testing.assert_allclose(alone.total[key], step, atol=1e-10)
