import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrec.models.losses import binary_losses, gbce_beta, sampled_softmax_losses, softmax_losses

ITEMS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def log1p_exp(x: float) -> float:
    return math.log(1 + math.exp(x))


def test_softmax_over_three_items_by_hand():
    # The state (1, 2) scores the items 1, 2, 3; the target is the second.
    expected = -2 + math.log(math.exp(1) + math.exp(2) + math.exp(3))
    loss = softmax_losses(torch.tensor([[1.0, 2.0]]), ITEMS, torch.tensor([1])).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_softmax_is_a_mean_over_targets():
    states = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    one = softmax_losses(states[:1], ITEMS, torch.tensor([1])).mean()
    both = softmax_losses(states, ITEMS, torch.tensor([1, 0])).mean()
    assert both.item() == pytest.approx((one.item() + math.log(3)) / 2, rel=1e-6)


def test_sampled_softmax_leaves_refused_negatives_out():
    state, target = torch.tensor([[1.0, 2.0]]), ITEMS[[1]]  # scores 2; negatives 1 and 3
    refused = torch.tensor([[False, True]])
    loss = sampled_softmax_losses(state, target, ITEMS[[0, 2]], refused).mean()
    # Only the negative with score 1 is left: -2 + log(e^2 + e^1).
    assert loss.item() == pytest.approx(-2 + math.log(math.exp(2) + math.exp(1)), rel=1e-6)


def test_the_log_ratio_raises_negatives_only():
    state, target = torch.tensor([[1.0, 2.0]]), ITEMS[[1]]
    nobody = torch.tensor([[False]])
    loss = sampled_softmax_losses(state, target, ITEMS[[0]], nobody, log_ratio=math.log(5)).mean()
    assert loss.item() == pytest.approx(-2 + math.log(math.exp(2) + 5 * math.exp(1)), rel=1e-6)


def test_a_user_who_refuses_every_negative_has_loss_zero_and_finite_gradients():
    state = torch.tensor([[1.0, 2.0]], requires_grad=True)
    negatives = ITEMS[[0, 2]].requires_grad_()
    loss = sampled_softmax_losses(
        state, ITEMS[[1]], negatives, torch.ones(1, 2, dtype=torch.bool)
    ).mean()
    loss.backward()
    assert loss.item() == 0
    assert (state.grad == 0).all()
    assert (negatives.grad == 0).all()


@given(st.integers(0, 2**32), st.integers(2, 30))
def test_sampled_softmax_over_the_whole_catalogue_is_softmax(seed, num_items):
    stream = torch.Generator().manual_seed(seed)
    states = torch.randn(6, 4, generator=stream, dtype=torch.float64)
    vectors = torch.randn(num_items, 4, generator=stream, dtype=torch.float64)
    targets = torch.randint(num_items, (6,), generator=stream)
    refused = torch.arange(num_items) == targets[:, None]  # the target itself, nothing else
    sampled = sampled_softmax_losses(states, vectors[targets], vectors, refused).mean()
    torch.testing.assert_close(sampled, softmax_losses(states, vectors, targets).mean())


def test_binary_loss_by_hand():
    states, positives = torch.tensor([[1.0, 2.0]]), ITEMS[[1]]
    negatives = ITEMS[torch.tensor([[0, 2]])]
    # -log sigmoid(2) - log(1 - sigmoid(1)) - log(1 - sigmoid(3))
    expected = log1p_exp(-2) + log1p_exp(1) + log1p_exp(3)
    assert binary_losses(states, positives, negatives).mean().item() == pytest.approx(
        expected, rel=1e-6
    )


def test_beta_weighs_the_positive_only():
    states, positives = torch.tensor([[1.0, 2.0]]), ITEMS[[1]]
    loss = binary_losses(states, positives, ITEMS[torch.tensor([[0]])], beta=0.25).mean()
    assert loss.item() == pytest.approx(0.25 * log1p_exp(-2) + log1p_exp(1), rel=1e-6)


@pytest.mark.parametrize(
    ("calibration", "expected"),
    # alpha = 25 / 100; t = .5: .25 * (.5 * (1 - 4) + 4) = .25 * 2.5
    [(0.0, 1.0), (0.5, 0.625), (1.0, 0.25)],
)
def test_gbce_beta_goes_from_bce_to_the_sampling_rate(calibration, expected):
    assert gbce_beta(101, 25, calibration) == pytest.approx(expected)


def test_more_negatives_than_other_items_are_all_of_them():
    assert gbce_beta(11, 50, 1.0) == 1.0
    assert gbce_beta(1, 50, 1.0) == 1.0


def test_gbce_without_calibration_is_bce():
    states, positives, negatives = torch.randn(5, 2), torch.randn(5, 2), torch.randn(5, 3, 2)
    beta = gbce_beta(101, 25, 0.0)
    torch.testing.assert_close(
        binary_losses(states, positives, negatives, beta=beta).mean(),
        binary_losses(states, positives, negatives).mean(),
    )
