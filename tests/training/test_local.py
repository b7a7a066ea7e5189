import numpy as np
import pytest
import torch
from torch import nn

from fedrec.data.sequences import Sequences
from fedrec.data.splits import training_part
from fedrec.errors import DataError
from fedrec.models.parameters import anchor_of, groups_of
from fedrec.training import local
from fedrec.training.local import Plan, fit, make_optimizer, proximal_penalty
from fedrec.training.objective import make_objective

NUM_ITEMS = 40
NOISY = Plan(epochs=1, steps=0, batch_size=4, max_length=10, dropout=0.3, identity_dropout=0.2)
CALM = Plan(epochs=1, steps=0, batch_size=4, max_length=10, dropout=0.0, identity_dropout=0.0)


def trained(model, training, plan, *, loss="sampled-softmax", rounds=1, optimizer="adam", **keys):
    """Fit a model; return its parameters by name and the last fit."""
    made = make_optimizer(model, optimizer, learning_rate=0.01, beta_2=0.98, weight_decay=0.0)
    objective = make_objective(
        loss,
        training=training,
        catalogue=np.arange(1, NUM_ITEMS + 1),
        negatives=10,
        log_q=True,
        calibration=0.75,
    )
    keys = {"users": np.arange(training.num_users), "seed": 0, "partition": 0} | keys
    users = keys.pop("users")
    for number in range(1, rounds + 1):
        done = fit(model, made, objective, training, users, plan=plan, round=number, **keys)
    return {name: p.detach().numpy().copy() for name, p in model.named_parameters()}, done


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def differs(one, other):
    return any(not np.array_equal(one[name], other[name]) for name in one)


def changed(plan, **keys):
    return Plan(**(vars(plan) | keys))


def test_penalty_pulls_with_mu_times_distance():
    model = nn.Linear(2, 1, bias=False)
    start = {"weight": torch.zeros(1, 2)}
    model.weight.data = torch.tensor([[3.0, -4.0]])
    penalty = proximal_penalty(model, start, mu=0.1)
    penalty.backward()
    assert penalty.item() == pytest.approx(1.25)  # .1 / 2 * (9 + 16)
    torch.testing.assert_close(model.weight.grad, torch.tensor([[0.3, -0.4]]))


def test_mu_zero_is_fedavg_bit_for_bit(make_tiny, twelve_training):
    plain, _ = trained(make_tiny(), twelve_training, NOISY)
    model = make_tiny()
    anchor = anchor_of(model, groups_of(model).shared)
    proximal, _ = trained(model, twelve_training, changed(NOISY, proximal_mu=0.0), anchor=anchor)
    assert_same(plain, proximal)


def test_the_larger_mu_the_nearer_to_where_it_began(make_tiny, twelve_training):
    def distance(mu):
        model = make_tiny()
        anchor = anchor_of(model, groups_of(model).shared)
        plan = changed(CALM, epochs=5, proximal_mu=mu)
        after, _ = trained(
            model, twelve_training, plan, anchor=anchor, optimizer="sgd", loss="softmax"
        )
        return sum(np.square(after[name] - anchor[name].numpy()).sum() for name in after)

    near, middle, far = distance(20.0), distance(2.0), distance(0.0)
    assert near < middle < far


def test_fit_is_a_pure_function_of_weights_seed_round_and_partition(make_tiny, twelve_training):
    once, one = trained(make_tiny(), twelve_training, NOISY)
    torch.manual_seed(99)  # the global generators have no say
    again, other = trained(make_tiny(), twelve_training, NOISY)
    assert_same(once, again)
    assert one == other


@pytest.mark.parametrize("other", [{"seed": 1}, {"partition": 1}])
def test_another_seed_or_partition_walks_another_path(make_tiny, twelve_training, other):
    one, _ = trained(make_tiny(), twelve_training, CALM)
    assert differs(one, trained(make_tiny(), twelve_training, CALM, **other)[0])


@pytest.mark.parametrize("loss", ["sampled-softmax", "softmax", "bce", "gbce", "bpr"])
def test_training_never_reads_the_last_two_events(make_tiny, twelve_users, loss):
    items = twelve_users.items.copy()
    ends = twelve_users.offsets[1:]
    for back in (1, 2):  # other validation and test items, such as the user's own first ones
        items[ends - back] = items[ends - back] % NUM_ITEMS + 1
    other = Sequences(items, twelve_users.offsets)
    one, done = trained(make_tiny(), training_part(twelve_users), NOISY, loss=loss)
    two, same = trained(make_tiny(), training_part(other), NOISY, loss=loss)
    assert_same(one, two)
    assert done == same


def test_only_the_partitions_own_users_are_read(make_tiny, twelve_training):
    items = twelve_training.items.copy()
    items[twelve_training.offsets[6] :] = 1  # everybody from user 6 on
    other = Sequences(items, twelve_training.offsets)
    users = np.arange(6)
    one, _ = trained(make_tiny(), twelve_training, NOISY, users=users)
    two, _ = trained(make_tiny(), other, NOISY, users=users)
    assert_same(one, two)


def test_the_loss_falls(make_tiny, twelve_training):
    plan = changed(CALM, epochs=1)
    first = trained(make_tiny(), twelve_training, plan, loss="softmax")[1].loss
    last = trained(make_tiny(), twelve_training, plan, loss="softmax", rounds=30)[1].loss
    assert first == pytest.approx(np.log(NUM_ITEMS), rel=0.1)  # knows nothing yet
    assert last < 0.8 * first


def test_a_fit_counts_its_targets_and_steps(make_tiny, twelve_training):
    # 11 users with 2..12 training events: 1..11 targets, the last cut to 10. Batches of 4.
    done = trained(make_tiny(), twelve_training, changed(CALM, epochs=2))[1]
    assert done.targets == 2 * (sum(range(1, 11)) + 10)
    assert done.steps == 2 * 3


def batches_of(plan, training, rounds, partition=0):
    return [
        [
            tuple(batch.users)
            for batch in local._batches(
                training, np.arange(training.num_users), plan, 0, number, partition
            )
        ]
        for number in range(1, rounds + 1)
    ]


def test_step_mode_walks_through_one_pass_over_rounds(twelve_training):
    # 3 batches a pass: rounds of 2 steps see batches 1 2 | 3 1' | 2' 3'.
    walked = batches_of(changed(CALM, steps=2), twelve_training, rounds=3)
    assert [len(batches) for batches in walked] == [2, 2, 2]
    flat = [batch for batches in walked for batch in batches]
    for one_pass in (flat[:3], flat[3:]):
        assert sorted(user for batch in one_pass for user in batch) == list(range(1, 12))
    assert flat[:3] != flat[3:]


def test_whole_epochs_are_the_same_walk(twelve_training):
    by_epoch = batches_of(changed(CALM, epochs=2), twelve_training, rounds=2)
    by_step = batches_of(changed(CALM, steps=6), twelve_training, rounds=2)
    assert by_epoch == by_step


def test_clipping_bounds_the_step(make_tiny, twelve_training):
    model = make_tiny()
    before = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    plan = changed(CALM, steps=1, clip_norm=0.5)
    after, _ = trained(model, twelve_training, plan, loss="softmax", optimizer="sgd")
    moved = np.sqrt(sum(np.square(after[name] - before[name]).sum() for name in after))
    assert moved == pytest.approx(0.01 * 0.5, rel=1e-3)  # rate times the bound


def test_a_partition_where_nobody_can_be_trained_is_refused(make_tiny, twelve_training):
    with pytest.raises(DataError, match=r"none of the 1 users of partition 3 .*partition.count"):
        trained(make_tiny(), twelve_training, CALM, users=np.array([0]), partition=3)


@pytest.mark.parametrize("views", ["semantic", "content,semantic", "semantic,identity"])
def test_any_order_of_views_trains_with_dropout(make_tiny, twelve_training, views):
    before = trained(make_tiny(views=views), twelve_training, changed(NOISY, steps=1))[0]
    after = trained(make_tiny(views=views), twelve_training, changed(NOISY, steps=3))[0]
    assert differs(before, after)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_optimizers_by_name(make_tiny, name, kind):
    model = make_tiny()
    made = make_optimizer(model, name, learning_rate=0.5, beta_2=0.9, weight_decay=0.25)
    assert type(made) is kind
    group = made.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.25)
    assert len(group["params"]) == len(list(model.parameters()))
    assert name == "sgd" or group["betas"] == (0.9, 0.9)
