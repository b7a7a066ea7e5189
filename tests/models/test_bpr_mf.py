"""BPR-MF: a user's row against an item's row and bias, and whose rows are held where."""

import numpy as np
import pytest
import torch

from fedrec.data.scenarios import TrainingView
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.data import has_user_rows, padded_first
from fedrec.models.bpr_mf import BPRMF
from fedrec.models.losses import pairwise_losses
from fedrec.models.parameters import groups_of
from fedrec.models.recommender import catalogue_of, score_next
from fedrec.models.user_rows import initial_user_rows
from fedrec.training.local import Plan, fit, make_optimizer
from fedrec.training.objective import make_objective


@pytest.fixture
def model() -> BPRMF:
    """Users 2 and 5 over items 1 and 2."""
    rows = torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0]])
    made = BPRMF(rows, torch.tensor([[1.0, 1.0], [0.0, 2.0]]), np.array([2, 5]))
    made.bias.data[:, 0] = torch.tensor([0.0, 0.5, -0.5])
    return made


def test_a_score_is_the_product_of_two_rows_plus_the_items_bias(model):
    score = model_scorer(model, num_items=2, max_length=3)
    found = score([np.array([1]), np.array([2, 1])], np.array([5, 2]))
    # User 5: (0, 2).(1, 2) + .5 and (0, 2).(3, -1) - .5; user 2: (1, 1).(1, 2) + .5, ...
    np.testing.assert_array_equal(found.scores[:, 1:], [[4.5, -2.5], [3.5, 1.5]])
    np.testing.assert_array_equal(found.gates.sum(axis=1), [[3, 3]] * 3)  # positions, their weight


def test_whom_it_does_not_know_it_does_not_score(model):
    catalogue = catalogue_of(model, 2)
    items, lengths = torch.tensor([[1]]), torch.tensor([1])
    with pytest.raises(DataError, match="a user whose row is not here"):
        score_next(model, catalogue, items, lengths, np.array([3]))
    with pytest.raises(ConfigError, match="choose a model that reads sequences"):
        score_next(model, catalogue, items, lengths)


def test_rows_of_users_are_private_and_begin_alike_wherever_they_are_held(model):
    groups = groups_of(model)
    assert groups.shared == ("rows", "bias")
    assert groups.private == ("user_rows",)
    everybody = initial_user_rows(np.arange(9), 4, std=0.1, seed=3)
    some = initial_user_rows(np.array([2, 5]), 4, std=0.1, seed=3)
    torch.testing.assert_close(some, everybody[[2, 5]], rtol=0, atol=0)


def test_bpr_by_hand():
    states = torch.tensor([[1.0, 2.0]])
    positives, negatives = torch.tensor([[2.0, 0.0]]), torch.tensor([[[0.0, 0.5], [1.0, 1.0]]])
    # Scores 2 against 1 and 3: the mean of log(1 + e^-1) and log(1 + e^1).
    expected = (np.log1p(np.exp(-1)) + np.log1p(np.exp(1))) / 2
    assert pairwise_losses(states, positives, negatives).item() == pytest.approx(expected)
    assert pairwise_losses(states, positives, negatives).mean().item() == pytest.approx(expected)


def test_a_users_first_event_is_a_target_like_all_others(small_config):
    training = Sequences(np.array([3, 1, 2], dtype=np.int32), np.array([0, 2, 3]))
    found = padded_first(TrainingView(training)).training
    np.testing.assert_array_equal(found.items, [0, 3, 1, 0, 2])
    np.testing.assert_array_equal(found.offsets, [0, 3, 5])
    assert has_user_rows(small_config({"model.name": "bpr-mf", "loss.name": "bpr"}))
    assert not has_user_rows(small_config())


def test_a_step_of_sgd_is_rendles_update():
    whole = Sequences(np.array([1, 2], dtype=np.int32), np.array([0, 2]))
    training = padded_first(TrainingView(whole)).training
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
    rows[0] = 0
    own = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 3)).astype(np.float32))
    model = BPRMF(rows, own, np.array([0]))
    objective = make_objective(
        "bpr",
        training=training,
        catalogue=np.arange(1, 4),
        negatives=9,
        log_q=True,
        calibration=0.75,
    )
    plan = Plan(epochs=1, steps=0, batch_size=1, max_length=5, dropout=0.5, identity_dropout=0.0)
    optimizer = make_optimizer(model, "sgd", learning_rate=0.1, beta_2=0.9, weight_decay=0.0)
    done = fit(
        model,
        optimizer,
        objective,
        training,
        np.array([0]),
        plan=plan,
        seed=4,
        round=1,
        partition=0,
    )
    assert done.targets == 2
    # Item 3 is the one that was not had. dL/dx = -(1 - sigmoid(x)) for x = u.(i - j), mean of two.
    u, items = own[0].numpy().astype(np.float64), rows.numpy().astype(np.float64)
    weights = {i: 1 / (1 + np.exp(u @ (items[i] - items[3]))) / 2 for i in (1, 2)}
    user = u + 0.1 * sum(weights[i] * (items[i] - items[3]) for i in (1, 2))
    np.testing.assert_allclose(model.user_rows.detach().numpy()[0], user, rtol=1e-5)
    expected = items.copy()
    for i in (1, 2):
        expected[i] += 0.1 * weights[i] * u
        expected[3] -= 0.1 * weights[i] * u
    np.testing.assert_allclose(model.rows.detach().numpy(), expected, rtol=1e-5)
    bias = [0, 0.1 * weights[1], 0.1 * weights[2], -0.1 * (weights[1] + weights[2])]
    np.testing.assert_allclose(model.bias.detach().numpy()[:, 0], bias, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.name": "bpr-mf"}, r"loss\.name = 'bpr', 'bce' or 'gbce', got 'sampled"),
        (
            {
                "model.name": "bpr-mf",
                "loss.name": "bpr",
                "federation.unit": "user",
                "local.optimizer-state": "reset",
            },
            r"model\.name must be another \(its rows of users are private",
        ),
        (
            {"model.name": "bpr-mf", "loss.name": "bpr", "model.private": "gate-bias"},
            r"model\.private needs a gate; model\.name = 'bpr-mf' has none",
        ),
    ],
)
def test_what_it_cannot_be_is_refused(small_config, changes, message):
    with pytest.raises(ConfigError, match=message):
        small_config(changes)
