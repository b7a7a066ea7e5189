"""The cohort engine against users trained one by one."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from fedrec.config.values.choices import FUSIONS
from fedrec.models.hybrid import Hybrid
from fedrec.models.sasrec import SASRec
from fedrec.training.cohort.stacked.models import stackable
from fedrec.training.local import Plan, fit
from fedrec.training.objective import make_objective
from tests.training.cohort.one_by_one import (
    LOSSES,
    NUM_ITEMS,
    assert_equal_to_the_loop,
    cohort,
    histories,
    loss_named,
    plan,
    shaken,
)

# --- equal to the loop --------------------------------------------------------------------------

LENGTHS = (2, 3, 10, 11, 12, 31, 1)  # a window has 10 targets
EVERYBODY = range(len(LENGTHS))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("model_name", ["sasrec", "hybrid"])
@pytest.mark.parametrize(
    ("steps", "dtype"), [(1, torch.float64), (3, torch.float64), (3, torch.float32)]
)
def test_a_cohort_equals_users_one_by_one(make_tiny, name, model_name, steps, dtype):
    model = shaken(make_tiny(name=model_name), dtype)
    noisy = plan(steps=steps, dropout=0.2, group_tokens=60)
    if model_name == "hybrid":
        noisy = plan(steps=steps, dropout=0.2, identity_dropout=0.2, group_tokens=60)
    assert_equal_to_the_loop(model, histories(*LENGTHS), EVERYBODY, noisy, loss_named(name))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("steps", [1, 2])
def test_a_cohort_whose_own_history_is_negative_equals_users_one_by_one(make_tiny, name, steps):
    model, loss = shaken(make_tiny(name="sasrec")), loss_named(name, "keep")
    assert_equal_to_the_loop(model, histories(*LENGTHS), EVERYBODY, plan(steps=steps), loss)


@pytest.mark.parametrize("positions", ["from-last", "from-first"])
@pytest.mark.parametrize("block", ["pre-norm", "sasrec", "ligr"])
@pytest.mark.parametrize(
    ("model_name", "steps"), [("sasrec", 3), pytest.param("hybrid", 1, marks=pytest.mark.slow)]
)
def test_a_cohort_of_any_block_equals_users_one_by_one(
    make_tiny, model_name, steps, block, positions
):
    made = make_tiny(name=model_name, block=block, positions=positions, heads=2, hidden=20)
    assert stackable(made)
    asked = plan(steps=steps, dropout=0.2, group_tokens=60)
    assert_equal_to_the_loop(shaken(made), histories(*LENGTHS), EVERYBODY, asked, loss_named("bce"))


OTHERS = [
    {"name": "gru4rec"},
    {"encoder": "gru"},
    {"name": "narm"},
    {"name": "stamp"},
    {"name": "sr-gnn"},
    {"name": "unisrec-id", "experts": 2},
]


@pytest.mark.parametrize("settings", OTHERS, ids=str)
@pytest.mark.parametrize("steps", [1, 3])
def test_recurrent_models_of_a_cohort_equal_users_one_by_one(make_tiny, settings, steps):
    model = shaken(make_tiny(**settings), torch.float64)
    assert stackable(model)
    asked = plan(steps=steps, dropout=0.2, group_tokens=60, learning_rate=0.02)
    assert_equal_to_the_loop(model, histories(*LENGTHS), EVERYBODY, asked, loss_named("gbce"))


@pytest.mark.parametrize(
    "changes",
    [
        {"proximal_mu": 0.7},
        {"clip_norm": 0.05},
        {"weighting": "uniform"},
        {"newest_windows": 1},
        {"newest_windows": 2, "batch_size": 1},
        {"batch_size": 1},
        {"batch_size": 2, "steps": 5},
        {"weight_decay": 0.1},
        {"optimizer": "adam", "learning_rate": 0.01},
        {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
        {"steps": 1, "clip_norm": 0.05},
        {"steps": 1, "weighting": "uniform", "proximal_mu": 1.0},
    ],
    ids=str,
)
def test_each_part_of_a_plan_equals_the_loop(make_tiny, changes):
    model = shaken(make_tiny(name="sasrec"))
    asked = plan(group_tokens=60, **changes)
    assert_equal_to_the_loop(model, histories(*LENGTHS), EVERYBODY, asked, loss_named("bce"))


@pytest.mark.parametrize("steps", [1, 2])
def test_with_one_window_a_user_trains_as_a_partition_of_its_own(make_tiny, steps):
    model, training = shaken(make_tiny()), histories(9)
    noisy = plan(steps=steps, dropout=0.2, identity_dropout=0.2, newest_windows=1)
    got = cohort(model, training, [0], noisy, loss_named("gbce"))
    own = copy.deepcopy(model)
    objective = make_objective(
        "gbce",
        training=training,
        catalogue=np.arange(1, NUM_ITEMS + 1),
        negatives=6,
        log_q=True,
        calibration=0.75,
    )
    pooled = Plan(
        epochs=0, steps=steps, batch_size=1, max_length=10, dropout=0.2, identity_dropout=0.2
    )
    optimizer = torch.optim.SGD(own.parameters(), lr=0.1)
    facts = {"plan": pooled, "seed": 7, "round": 4, "partition": 0}
    done = fit(own, optimizer, objective, training, np.array([0]), **facts)
    assert got.losses == pytest.approx([done.loss])
    for (name, before), after in zip(model.named_parameters(), own.parameters(), strict=True):
        moved = (after - before).detach().numpy() * got.weight
        np.testing.assert_allclose(got.total[name], moved, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("heads", [1, 2])
def test_windows_longer_than_a_tile_of_attention(make_tiny, heads):
    model = shaken(make_tiny(name="sasrec", heads=heads, max_length=70))
    asked = plan(max_length=70, steps=2)
    assert_equal_to_the_loop(model, histories(72, 150, 60, 3), range(4), asked, loss_named("bce"))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.lists(st.integers(1, 45), min_size=1, max_size=7),
    steps=st.integers(1, 3),
    batch_size=st.integers(0, 2),
    group_tokens=st.integers(1, 200),
    model_name=st.sampled_from(["sasrec", "hybrid"]),
    name=st.sampled_from(LOSSES),
)
def test_any_lengths_in_any_groups_equal_the_loop(
    make_tiny, lengths, steps, batch_size, group_tokens, model_name, name
):
    model, training = shaken(make_tiny(name=model_name)), histories(*lengths, 2)
    asked = plan(steps=steps, batch_size=batch_size, group_tokens=group_tokens, dropout=0.1)
    users = range(training.num_users)
    assert_equal_to_the_loop(model, training, users, asked, loss_named(name))


# --- a model of the user's own ------------------------------------------------------------------


class Scaled(SASRec):
    """A trained array in a module that fedrec does not know."""

    def __init__(self, rows, encoder):
        super().__init__(rows, encoder)
        self.stretch = nn.Module()
        self.stretch.by = nn.Parameter(torch.ones(rows.shape[1]))

    def encode(self, table, places, lengths, dropout_masks=None):
        states, weights = super().encode(table, places, lengths, dropout_masks)
        return states * self.stretch.by, weights


class Undeclared(Scaled):
    """The same without a word about which arrays have a row per item."""

    @property
    def item_arrays(self):
        return ()


@pytest.mark.parametrize("kind", [Scaled, Undeclared])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("steps", [1, 2])
def test_a_model_that_cannot_be_stacked_is_mapped(make_tiny, kind, name, steps):
    known = make_tiny(name="sasrec")
    model = shaken(kind(known.rows.detach(), known.encoder))
    assert not stackable(model)
    asked = plan(steps=steps, dropout=0.2)
    assert_equal_to_the_loop(model, histories(*LENGTHS), EVERYBODY, asked, loss_named(name))


class StretchedHybrid(Hybrid):
    """A trained array beside the buffer with a row per item, in a module that fedrec can stack."""

    @classmethod
    def of(cls, model):
        made = cls(model.views, model.gate, model.encoder, width=8, frequency=model.frequency)
        made.stretch = nn.Parameter(torch.ones(8))
        return made

    def encode(self, table, places, lengths, dropout_masks=None):
        states, weights = super().encode(table, places, lengths, dropout_masks)
        return states * self.stretch, weights


@pytest.mark.parametrize("mix", FUSIONS)
@pytest.mark.parametrize(
    ("steps", "is_stacked"), [(1, True), (2, True), (2, False)], ids=["joint", "stacked", "mapped"]
)
def test_every_mix_of_views_equals_the_loop(make_tiny, mix, steps, is_stacked):
    known = make_tiny(fusion=mix)
    model = shaken(known if is_stacked else StretchedHybrid.of(known))
    assert stackable(model) == is_stacked
    asked = plan(steps=steps, dropout=0.2, identity_dropout=0.2, group_tokens=60)
    loss = loss_named("sampled-softmax")
    assert_equal_to_the_loop(model, histories(2, 5, 9, 12, 1), range(5), asked, loss)


def test_the_models_of_fedrec_can_be_stacked(make_tiny):
    assert stackable(make_tiny(name="sasrec"))
    assert stackable(make_tiny(name="hybrid"))
