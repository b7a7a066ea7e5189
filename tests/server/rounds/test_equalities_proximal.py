"""FedProx: mu = 0 is FedAvg, and mu > 0 pulls by mu * (w - w_global), no more and no less."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedrec.models.parameters import anchor_of, groups_of
from fedrec.training.local import Plan, fit, make_optimizer, proximal_penalty
from fedrec.training.objective import make_objective
from server.rounds import train_round

RATE = 0.5
FULL_BATCH = {
    "model.dropout": 0.0,
    "model.identity-dropout": 0.0,
    "loss.name": "softmax",
    "local.optimizer": "sgd",
    "local.learning-rate": RATE,
    "local.batch-size": 60,
}


def proximal(mu):
    return {"strategy.name": "fedprox", "strategy.options": f"proximal-mu = {mu}"}


@pytest.mark.parametrize(
    "how",
    [
        {"local.steps": 3, "model.private": "gate-bias"},
        {"local.epochs": 2, "local.optimizer-state": "reset", "federation.fraction": 0.6},
    ],
)
def test_fedprox_with_mu_zero_is_fedavg_bit_for_bit(small_federation, precision, how):
    def after(changes):
        federation, state = small_federation(how | changes)
        lines = [train_round(federation, state, number) for number in (1, 2)]
        return state.weights, [line["train_loss"] for line in lines]

    plain, losses = after({"strategy.name": "fedavg"})
    none, same_losses = after(proximal(0.0))
    pulled, _ = after(proximal(1.0))
    for name, array in plain.items():
        np.testing.assert_array_equal(array, none[name], err_msg=name)
    assert losses == same_losses
    assert any(not np.array_equal(array, pulled[name]) for name, array in plain.items())


@pytest.mark.parametrize("mu", [0.1, 1.5])
def test_the_second_step_of_a_round_is_pulled_by_what_the_first_one_moved(
    small_federation, precision, mu
):
    def after(changes):
        federation, state = small_federation(FULL_BATCH | changes)
        train_round(federation, state, 1)
        return state.weights

    # The first step starts at the global weights, where the penalty has no gradient: both take
    # the same one. At the second, w - w_global is what that step moved. Means keep the equation.
    first = after({"local.steps": 1})
    plain = after({"local.steps": 2})
    pulled = after({"local.steps": 2} | proximal(mu))
    _, start = small_federation(FULL_BATCH)
    largest = 0.0
    for name, w_global in start.weights.items():
        expected = -RATE * mu * (first[name] - w_global)
        np.testing.assert_allclose(
            pulled[name] - plain[name], expected, rtol=0, atol=precision.atol, err_msg=name
        )
        largest = max(largest, np.abs(expected).max())
    assert largest > 1000 * precision.atol


def one_step_from_elsewhere(model, training, mu):
    """Shared weights as sent, own weights before and after one SGD step, and the loss."""
    anchor = anchor_of(model, groups_of(model, ("gate-bias",)).shared)
    noise = torch.Generator().manual_seed(3)
    with torch.no_grad():  # a client that is already away from the global weights
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=noise).to(parameter.dtype)
    start = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    objective = make_objective(
        "softmax",
        training=training,
        catalogue=np.arange(1, 41),
        negatives=1,
        log_q=True,
        calibration=0.0,
    )
    plan = Plan(
        epochs=1,
        steps=1,
        batch_size=12,
        max_length=10,
        dropout=0.0,
        identity_dropout=0.0,
        proximal_mu=mu,
    )
    optimizer = make_optimizer(model, "sgd", learning_rate=RATE, beta_2=0.9, weight_decay=0.0)
    keys = {"plan": plan, "seed": 0, "round": 1, "partition": 0, "anchor": anchor}
    done = fit(model, optimizer, objective, training, np.arange(12), **keys)
    end = {name: p.detach().numpy() for name, p in model.named_parameters()}
    return {name: tensor.numpy() for name, tensor in anchor.items()}, start, end, done.loss


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_one_step_from_anywhere_is_pulled_by_mu_times_the_distance(
    make_tiny, twelve_training, dtype, atol
):
    mu = 0.7
    sent, start, plain, loss = one_step_from_elsewhere(make_tiny().to(dtype), twelve_training, 0.0)
    *_, pulled, same_loss = one_step_from_elsewhere(make_tiny().to(dtype), twelve_training, mu)
    assert loss == same_loss  # what is reported is the loss of the data, without the penalty
    for name, w_global in sent.items():
        expected = -RATE * mu * (start[name] - w_global)
        assert np.abs(expected).max() > 1e-3
        moved = pulled[name] - plain[name]
        np.testing.assert_allclose(moved, expected, rtol=0, atol=atol, err_msg=name)
    # What stays private has no global value to be pulled to.
    assert "gate.bias" not in sent
    np.testing.assert_array_equal(pulled["gate.bias"], plain["gate.bias"])


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@given(
    pairs=st.lists(
        st.tuples(st.floats(-8, 8, width=32), st.floats(-8, 8, width=32)), min_size=1, max_size=20
    ),
    mu=st.floats(0.0009765625, 16, width=32),
)
@settings(max_examples=60, deadline=None)
def test_the_penalty_is_half_mu_times_the_squared_distance(dtype, rtol, pairs, mu):
    now, anchor = np.array(pairs).T
    model = nn.Linear(len(pairs), 1, bias=False, dtype=dtype)
    model.weight.data = torch.from_numpy(now[None]).to(dtype)
    penalty = proximal_penalty(model, {"weight": torch.from_numpy(anchor[None]).to(dtype)}, mu)
    penalty.backward()
    tiny = 1e-30
    np.testing.assert_allclose(
        penalty.item(), mu / 2 * ((now - anchor) ** 2).sum(), rtol=rtol, atol=tiny
    )
    gradient = model.weight.grad.numpy()[0]
    np.testing.assert_allclose(gradient, mu * (now - anchor), rtol=rtol, atol=tiny)
