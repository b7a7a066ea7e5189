"""FedNCF and PFedRec: what scores, what is private, and that negatives are honest."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fedrec.data.scenarios import TrainingView
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.data import padded_first
from fedrec.inference.carried import carried_files
from fedrec.inference.search import ItemSearch
from fedrec.models.parameters import groups_of
from fedrec.models.users.neural_cf import NeuralCF
from fedrec.models.users.pfedrec import PFedRec
from fedrec.randomness import generator
from fedrec.training.batches import collate
from fedrec.training.local import Plan, fit, make_optimizer
from fedrec.training.negatives import own_negatives
from fedrec.training.objective import StepSeeds, make_objective

V, D, USERS = 7, 4, np.array([2, 5, 6])


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / 2


def neural(layers=2):
    stream = torch.Generator().manual_seed(1)
    return NeuralCF(drawn(V + 1, D), drawn(3, D, seed=2), USERS, layers=layers, stream=stream)


def personal():
    return PFedRec(drawn(V + 1, D), drawn(3, D + 1, seed=2), USERS)


@pytest.mark.parametrize("layers", [1, 2, 4])
@torch.no_grad()
def test_fedncf_scores_pairs_by_its_network(layers):
    model = neural(layers)
    for layer in [model.of_item, *model.hidden]:
        layer.bias.copy_(drawn(*layer.bias.shape, seed=5))
    scores = model_scorer(model, V, 3)([np.array([1])] * 2, np.array([6, 2])).scores
    first = torch.cat([model.of_user.weight, model.of_item.weight], dim=1)  # W_1 of [user; item]
    for row, user in enumerate([2, 0]):
        for item in range(1, V + 1):
            found = torch.cat([model.user_rows[user], model.rows[item]])
            found = torch.relu(first @ found + model.of_item.bias)
            for layer in model.hidden:
                found = torch.relu(layer.weight @ found + layer.bias)
            assert scores[row, item] == pytest.approx((model.score.weight @ found).item(), abs=1e-6)
    assert [layer.out_features for layer in model.hidden] == [2, 1, 1][: layers - 1]


@pytest.mark.parametrize("make", [neural, personal])
def test_scores_are_alike_in_any_company_and_in_a_search(make):
    model = make()
    score = model_scorer(model, V, 3)
    histories = [np.array([1])] * 3
    together = score(histories, USERS).scores
    for row, user in enumerate(USERS):
        np.testing.assert_array_equal(
            score(histories[:1], np.array([user])).scores[0], together[row]
        )
    top = ItemSearch(model, V, 3).top(histories, 3, exclude=False, users=USERS)
    order = np.argsort(-together[:, 1:], axis=1)[:, :3] + 1
    np.testing.assert_array_equal(top.items, order)


def batch_of(training):
    return collate(training, USERS, 6, 0)


def objective_for(training, negatives=4):
    return make_objective(
        "gbce",
        training=training,
        catalogue=np.arange(1, V + 1),
        negatives=negatives,
        log_q=True,
        calibration=0.0,
    )


def histories():
    """Users 2, 5 and 6 have something; what stands before their first events is padding."""
    lengths = [0, 0, 3, 0, 0, 2, 4]
    items = np.array([1, 2, 3, 4, 5, 7, 1, 6, 2], dtype=np.int32)
    return padded_first(TrainingView(Sequences(items, np.cumsum([0, *lengths])))).training


SEEDS = StepSeeds(seed=3, round=1, step=0, dropout=0.0, identity_dropout=0.0)


def pair_score(model, user, item):
    state = model.user_rows[list(USERS).index(user)]
    if isinstance(model, NeuralCF):
        return model.pair_scores(state, model.rows[item])
    return state[:-1] @ model.rows[item] + state[-1]


@pytest.mark.parametrize("make", [neural, personal])
def test_the_loss_is_bce_with_four_negatives_from_all_but_the_training_history(make):
    model, training = make().train(), histories()
    found = objective_for(training)(model, batch_of(training), SEEDS)
    losses = []
    for user in USERS:
        had = training.of(user)[1:]
        others = own_negatives(
            generator(3, "negatives", 1, 0, user), had, np.arange(1, V + 1), had, 4
        )
        assert not np.isin(others, had).any()
        for item, negatives in zip(had, others, strict=True):
            loss = -functional.logsigmoid(pair_score(model, user, item))
            for other in negatives:
                loss = loss - functional.logsigmoid(-pair_score(model, user, other))
            losses.append(loss)
    torch.testing.assert_close(found, torch.stack(losses).mean())


def train(model):
    training = histories()
    plan = Plan(epochs=1, steps=0, batch_size=3, max_length=6, dropout=0.0, identity_dropout=0.0)
    optimizer = make_optimizer(model, "adam", learning_rate=0.1, beta_2=0.98, weight_decay=0.0)
    objective = objective_for(training)
    fit(model, optimizer, objective, training, USERS, plan=plan, seed=3, round=1, partition=0)
    return model


def test_pfedrec_scores_by_the_items_of_its_own_last_training():
    start, model = drawn(V + 1, D), train(personal())
    assert not torch.equal(model.own_rows, start)
    trained = model.own_rows.detach().clone()
    scores = model_scorer(model, V, 3)([np.array([1])], np.array([5])).scores[0]
    with torch.no_grad():
        model.rows += 1  # an average arrives
    np.testing.assert_array_equal(
        model_scorer(model, V, 3)([np.array([1])], np.array([5])).scores[0], scores
    )
    weights = model.user_rows[1].detach()
    expected = trained @ weights[:-1] + weights[-1]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    model.train()  # training begins with what arrived, not with its own
    items = torch.arange(V + 1)
    torch.testing.assert_close(model.look_up(items).views[:, 0], model.rows)


def test_what_is_private_and_what_travels():
    groups = groups_of(personal())
    assert (groups.shared, set(groups.private)) == (("rows",), {"own_rows", "user_rows"})
    groups = groups_of(neural())
    assert groups.private == ("user_rows",)
    assert {"rows", "of_user.weight", "score.weight"} < set(groups.shared)


@pytest.mark.parametrize("make", [neural, personal])
def test_whom_they_do_not_know_they_do_not_score(make):
    score = model_scorer(make(), V, 3)
    with pytest.raises(DataError, match="asked for a user whose row is not here"):
        score([np.array([1])], np.array([3]))
    with pytest.raises(ConfigError, match="choose a model that reads sequences"):
        score([np.array([1])])


@pytest.mark.parametrize("make", [neural, personal])
def test_a_run_carries_no_files_to_recommend_by(make, catalogue, small_config):
    model = make()
    config = small_config({"model.name": model.known_as, "loss.name": "bce"})
    assert carried_files(config, catalogue, model) == {}
