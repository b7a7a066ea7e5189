"""Batches of partition clients by the kernel, beside the same by torch in float64."""

import numpy as np
import pytest
import torch

from fedrec.training import objective
from fedrec.training.batches import collate
from fedrec.training.local import Plan, fit
from fedrec.training.objective import StepSeeds, make_objective
from tests.training.cohort.one_by_one import NUM_ITEMS, histories
from tests.training.kernel_models import sasrec

TRAINING = histories(9, 35, 21, 12, 2, 10)
USERS = np.array([4, 1, 0, 3])


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """What the kernel returned, none where it was not taken."""
    made, whole = [], objective.batch_loss

    def noted(*told):
        made.append(whole(*told))
        return made[-1]

    monkeypatch.setattr(objective, "batch_loss", noted)
    return made


def made(uses_kernel, own_history="leave-out", catalogue=NUM_ITEMS, name="softmax"):
    return make_objective(
        name,
        training=TRAINING,
        catalogue=np.arange(1, catalogue + 1),
        negatives=6,
        log_q=True,
        calibration=0.75,
        own_history=own_history,
        uses_kernel=uses_kernel,
    )


def seeds(dropout=0.2, in_groups=False):
    return StepSeeds(
        seed=7, round=2, step=1, dropout=dropout, identity_dropout=0.0, in_groups=in_groups
    )


def loss_and_gradients(model, loss, *, windows=0, factor=1.0, **how):
    model.zero_grad()
    found = loss(model, collate(TRAINING, USERS, 10, windows), seeds(**how))
    (factor * found).backward()
    return [found.detach(), *(parameter.grad.clone() for parameter in model.parameters())]


@pytest.mark.parametrize("own_history", ["leave-out", "keep"])
@pytest.mark.parametrize(
    ("block", "positions"), [("sasrec", "from-first"), ("pre-norm", "from-last")]
)
@pytest.mark.parametrize(
    "how", [{}, {"windows": 1}, {"dropout": 0.0}, {"in_groups": True, "factor": 3.0}]
)
def test_loss_and_gradient_are_those_of_torch(calls, how, block, positions, own_history):
    found = loss_and_gradients(sasrec(block, positions), made(True, own_history), **how)
    assert calls[0] is not None
    exact = sasrec(block, positions, torch.float64)
    expected = loss_and_gradients(exact, made(False, own_history), **how)
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).abs().max()) <= 1e-5 * float(other.abs().max())


def test_a_fitted_model_is_that_of_torch(calls):
    """FedProx, clipping and the optimiser work on the gradient that the kernel gave."""
    plan = Plan(
        epochs=2,
        steps=0,
        batch_size=2,
        max_length=10,
        windows=0,
        dropout=0.2,
        identity_dropout=0.0,
        proximal_mu=0.5,
        clip_norm=0.1,
    )
    fitted = []
    for uses_kernel in (True, False):
        model = sasrec()
        anchor = {name: one.detach().clone() for name, one in model.named_parameters()}
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        facts = {"plan": plan, "seed": 0, "round": 1, "partition": 0, "anchor": anchor}
        done = fit(model, optimizer, made(uses_kernel), TRAINING, np.arange(6), **facts)
        fitted.append([torch.tensor(done.loss), *model.parameters()])
    assert len(calls) == 6
    for one, other in zip(*fitted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_part_of_the_catalogue_goes_through_torch(calls):
    model = sasrec()
    found = loss_and_gradients(model, made(True, catalogue=NUM_ITEMS - 4))
    assert calls == [None]
    expected = loss_and_gradients(model, made(False, catalogue=NUM_ITEMS - 4))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("freeze", [True, False])
def test_a_frozen_parameter_or_another_class_goes_through_torch(calls, freeze):
    model = sasrec()
    if freeze:
        model.encoder.positions.requires_grad_(False)
    else:
        model.__class__ = type("Other", (type(model),), {})
    made(True)(model, collate(TRAINING, USERS, 10), seeds()).backward()
    assert calls == [None]
    assert (model.encoder.positions.grad is None) is freeze


def test_other_losses_do_not_ask_the_kernel(calls):
    made(True, name="sampled-softmax")(sasrec(), collate(TRAINING, USERS, 10), seeds())
    assert calls == []


def test_scores_that_are_no_numbers_make_a_loss_that_is_none(calls):
    model = sasrec()
    with torch.no_grad():
        model.rows[NUM_ITEMS] = torch.nan  # of an item that nobody has had
    loss = made(True, "keep")(model, collate(TRAINING, USERS, 10), seeds())
    assert calls[0] is not None
    assert bool(loss.isnan())


def test_windows_beyond_the_positions_are_refused():
    with pytest.raises(IndexError, match="10 positions"):
        made(True)(sasrec(), collate(TRAINING, np.array([1]), 20), seeds())
