from dataclasses import replace

import numpy as np
import pytest
import torch

from fedrec.models.losses import LossFunction
from fedrec.training.batches import collate, rows_alike
from fedrec.training.cloze import cloze
from fedrec.training.negatives import shared_negatives
from fedrec.training.objective import StepSeeds, make_objective, objective_of
from tests.training.cohort.one_by_one import histories

NUM_ITEMS = 40
LOSSES = ["sampled-softmax", "softmax", "bce", "gbce", "bpr"]


def made(name, training, negatives=10, log_q=True, own_history="leave-out"):
    return make_objective(
        name,
        training=training,
        catalogue=np.arange(1, NUM_ITEMS + 1),
        negatives=negatives,
        log_q=log_q,
        calibration=0.75,
        own_history=own_history,
    )


def seeds(identity_dropout=0.0, step=0):
    return StepSeeds(seed=0, round=1, step=step, dropout=0.0, identity_dropout=identity_dropout)


def shaken(model):
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 3)
    return model


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("model_name", ["hybrid", "sasrec"])
def test_each_loss_gives_finite_gradients_to_every_parameter(
    make_tiny, twelve_training, name, model_name
):
    model = shaken(make_tiny(name=model_name))
    batch = collate(twelve_training, np.arange(1, 12), 10)
    loss = made(name, twelve_training)(model, batch, seeds(identity_dropout=0.2))
    loss.backward()
    assert torch.isfinite(loss)
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


def test_softmax_of_a_batch_equals_users_one_by_one(make_tiny, twelve_training):
    model, objective = shaken(make_tiny()), made("softmax", twelve_training)
    users = np.arange(1, 12)
    together = objective(model, collate(twelve_training, users, 10), seeds())
    one_by_one = [collate(twelve_training, np.array([user]), 10) for user in users]
    total = sum(objective(model, batch, seeds()) * batch.num_targets for batch in one_by_one)
    targets = sum(batch.num_targets for batch in one_by_one)
    torch.testing.assert_close(together, total / targets, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [{}, {"name": "bert4rec"}, {"name": "gru4rec"}, {"name": "sr-gnn"}, {"name": "sasrec"}],
    ids=str,
)
@pytest.mark.parametrize("name", LOSSES)
def test_rows_in_groups_alike_in_length_have_the_loss_and_gradient_of_one_batch(
    make_tiny, monkeypatch, name, settings
):
    monkeypatch.setattr("fedrec.training.batches.GROUP_COST", 3)  # so that there are several
    model = shaken(make_tiny(**settings)).double()
    training, users = histories(30, 2, 5, 24, 11, 9, 3), np.arange(7)
    batch = collate(training, users, 10, windows=0)
    if model.task == "cloze":
        batch = cloze(batch, 0.4, max_length=10, seed=0, round=1, step=0)
    assert len(rows_alike(batch.lengths)) > 2
    found = []
    for in_groups in (False, True):
        facts = replace(seeds(identity_dropout=0.2), dropout=0.3, in_groups=in_groups)
        model.zero_grad()
        loss = made(name, training)(model, batch, facts)
        loss.backward()
        found.append([loss.detach(), *(parameter.grad for parameter in model.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("own_history", ["keep", "leave-out"])
def test_softmax_by_the_slow_way(make_tiny, twelve_training, own_history):
    model = shaken(make_tiny())
    row = twelve_training.of(5)
    table = model.look_up(torch.arange(NUM_ITEMS + 1))
    items = torch.from_numpy(row[:-1].astype(np.int64))[None]
    states = model.encode(table, items, torch.tensor([len(row) - 1]))[0][0]
    scores = states @ model.output_vectors(table).T
    losses = []
    for target, own in zip(row[1:].tolist(), scores, strict=True):
        others = set(range(1, NUM_ITEMS + 1)) - {target}
        if own_history == "leave-out":
            others -= set(row.tolist())
        losses.append(own[[target, *sorted(others)]].logsumexp(dim=0) - own[target])
    expected = torch.stack(losses).mean()
    loss = made("softmax", twelve_training, own_history=own_history)(
        model, collate(twelve_training, np.array([5]), 12), seeds()
    )
    torch.testing.assert_close(loss, expected)


def spied(candidates, negatives, training, seen):
    """An objective that notes what its loss is given."""

    def spy(states, positives, negatives, refused=None, weights=None):
        seen.update(negatives=negatives, refused=refused)
        return states.sum(dim=-1)

    loss = LossFunction(candidates=candidates, negatives=negatives, of_targets=spy)
    return objective_of(loss, training, np.arange(1, NUM_ITEMS + 1))


def test_shared_negatives_in_the_training_history_are_refused_and_nothing_else(
    make_tiny, twelve_training
):
    seen, users = {}, np.array([3, 8])
    batch = collate(twelve_training, users, 10)
    spied("shared", 10, twelve_training, seen)(make_tiny(), batch, seeds())
    negatives = shared_negatives(0, 1, 0, NUM_ITEMS, 10)
    rows = [
        [item in twelve_training.of(user) for item in negatives]
        for user, length in zip(users, batch.lengths, strict=True)
        for _ in range(length)
    ]
    assert seen["refused"].tolist() == rows
    assert np.any(rows)


@pytest.mark.parametrize("count", [1, 10])
def test_own_negatives_are_never_in_the_training_history(make_tiny, twelve_training, count):
    seen = {}
    model, users = shaken(make_tiny()), np.array([3, 8, 11])
    batch = collate(twelve_training, users, 10)
    spied("own", count, twelve_training, seen)(model, batch, seeds())
    vectors = model.output_vectors(model.look_up(torch.arange(NUM_ITEMS + 1)))
    assert seen["negatives"].shape[1] == count
    row = 0
    for user, length in zip(users, batch.lengths, strict=True):
        used = seen["negatives"][row : row + length].reshape(-1, 8)
        own = vectors[twelve_training.of(user).astype(np.int64)]
        # Every item of the shaken model has a vector of its own: none of the user's is there.
        assert torch.cdist(used, own).min() > 1e-4
        row += length


def test_negatives_of_a_user_do_not_depend_on_batch_mates(make_tiny, twelve_training):
    model, objective = shaken(make_tiny()), made("bce", twelve_training)
    users = np.array([3, 8])
    together = objective(model, collate(twelve_training, users, 10), seeds())
    batches = [collate(twelve_training, np.array([user]), 10) for user in users]
    parts = [objective(model, batch, seeds()) * batch.num_targets for batch in batches]
    targets = sum(batch.num_targets for batch in batches)
    torch.testing.assert_close(together, sum(parts) / targets, rtol=1e-5, atol=1e-6)


def test_another_step_draws_other_negatives(make_tiny, twelve_training):
    model, batch = shaken(make_tiny()), collate(twelve_training, np.arange(1, 12), 10)
    for name in ("sampled-softmax", "bce", "gbce"):
        objective = made(name, twelve_training)
        assert objective(model, batch, seeds(step=0)) != objective(model, batch, seeds(step=1))


def test_identity_dropout_hides_the_same_items_from_every_user_of_a_step(
    make_tiny, twelve_training
):
    model = shaken(make_tiny())
    asked = []
    plain = model.look_up

    def spy(items, unknown=None):
        asked.append((items.numpy(), unknown.numpy()))
        return plain(items, unknown)

    model.look_up = spy
    objective = made("sampled-softmax", twelve_training)
    for user in (4, 9):
        objective(model, collate(twelve_training, np.array([user]), 10), seeds(0.3))
    hidden = [dict(zip(items, unknown, strict=True)) for items, unknown in asked]
    both = hidden[0].keys() & hidden[1].keys()
    assert all(hidden[0][item] == hidden[1][item] for item in both)
    assert any(hidden[0].values())
    assert not all(hidden[0].values())
