"""A user's own loss as "package.module:name", in every engine."""

import hashlib

import numpy as np
import pytest
import torch

from experiments.baselines.run import run_baseline
from fedrec.config.user_code import client_code, client_fingerprint
from fedrec.config.values.choices import LOSSES as NAMES
from fedrec.errors import ConfigError
from fedrec.models.losses import LOSSES, LossOptions
from fedrec.models.sasrec import SASRec
from fedrec.runs.record import read_json, read_rounds
from fedrec.training.batches import collate
from fedrec.training.cohort.stacked.models import stackable
from fedrec.training.objective import StepSeeds, make_objective
from fedrec.training.user_loss import find_loss
from tests.training.cohort.one_by_one import (
    assert_equal_to_the_loop,
    histories,
    loss_named,
    plan,
    shaken,
)

OWN = "tests.training.own_losses:"
LENGTHS = (2, 3, 5, 9, 10, 11, 21, 1)


def test_the_config_names_every_loss_there_is():
    assert set(NAMES) == set(LOSSES)


def test_a_loss_of_scores_equals_ours_over_states_and_vectors():
    """gBCE without calibration is BCE; leading axes are those of states."""
    options = LossOptions(num_candidates=40, negatives=4, calibration=0.0)
    stream = torch.Generator().manual_seed(0)
    states, positives = torch.randn(2, 3, 5, 8, generator=stream)
    negatives = torch.randn(3, 5, 4, 8, generator=stream)
    ours, own = find_loss("gbce")(options), find_loss(OWN + "binary")(options)
    assert (own.candidates, own.negatives) == (ours.candidates, ours.negatives) == ("own", 4)
    torch.testing.assert_close(
        own.of_targets(states, positives, negatives), ours.of_targets(states, positives, negatives)
    )


@pytest.mark.parametrize("model_name", ["hybrid", "sasrec"])
def test_a_partition_trains_with_the_loss_of_a_user(make_tiny, twelve_training, model_name):
    model = shaken(make_tiny(name=model_name), torch.float32)
    batch = collate(twelve_training, np.arange(1, 12), 10)
    seeds = StepSeeds(seed=0, round=1, step=0, dropout=0.0, identity_dropout=0.0)

    def gradients(name):
        model.zero_grad()
        make_objective(
            name,
            training=twelve_training,
            catalogue=np.arange(1, 41),
            negatives=10,
            log_q=True,
            calibration=0.0,
        )(model, batch, seeds).backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    for ours, own in zip(gradients("gbce"), gradients(OWN + "binary"), strict=True):
        torch.testing.assert_close(own, ours)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("settings", [{"name": "sasrec"}, {"name": "hybrid"}, {"heads": 1}])
def test_one_user_clients_train_with_it_as_one_by_one(make_tiny, settings, steps):
    model = shaken(make_tiny(**settings))
    asked = plan(steps=steps, dropout=0.2, group_tokens=60)
    loss = loss_named(OWN + "hinge")
    assert_equal_to_the_loop(model, histories(*LENGTHS), range(len(LENGTHS)), asked, loss)


class Scaled(SASRec):
    """SASRec with a parameter that fedrec's stacking does not know."""

    def __init__(self, rows, encoder):
        super().__init__(rows, encoder)
        self.sharpness = torch.nn.Parameter(torch.ones(()))

    def encode(self, table, places, lengths, dropout_masks=None, times=None):
        states, weights = super().encode(table, places, lengths, dropout_masks)
        return states * self.sharpness, weights


def test_models_that_cannot_be_stacked_train_with_it(make_tiny):
    known = make_tiny(name="sasrec")
    model = shaken(Scaled(known.rows.detach(), known.encoder))
    assert not stackable(model)
    asked, loss = plan(steps=2, group_tokens=60), loss_named(OWN + "hinge")
    assert_equal_to_the_loop(model, histories(*LENGTHS), range(len(LENGTHS)), asked, loss)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("one_number", r"one loss per target, a tensor of shape \(5,\), got \(\)"),
        ("an_array", r"one loss per target, a tensor of shape \(5,\), got ndarray"),
        ("infinite", "must be finite for finite scores"),
        ("detached", "must be differentiable in the scores; it detaches them"),
        ("of_steps", "must have finite gradients"),
        ("over_the_batch", "that of target 0 depends on another's"),
        ("failing", r"failed on the scores of 5 targets \(N,\) .* RuntimeError: Tensors must"),
        ("number", "must name a callable, got int"),
        ("nobody", "cannot be imported: module .* has no attribute 'nobody'"),
    ],
)
def test_what_is_no_loss_is_refused_in_one_line(name, message):
    with pytest.raises(ConfigError, match=message) as refused:
        find_loss(OWN + name)
    assert str(refused.value).startswith(f"loss.name '{OWN}{name}'")
    assert "\n" not in str(refused.value)


USERS = {"federation.unit": "user", "federation.cohort": 8, "local.optimizer-state": "reset"}


@pytest.mark.parametrize(
    "changes",
    [{}, USERS, USERS | {"local.steps": 2, "local.learning-rate": 0.1, "model.name": "sasrec"}],
    ids=["partitions", "users", "users in steps"],
)
def test_a_federation_runs_with_the_loss_of_a_user(run_inline, small_config, changes):
    folder = run_inline(small_config({"loss.name": OWN + "hinge"} | changes))
    assert read_json(folder / "run.json")["status"] == "done"
    first = read_rounds(folder / "rounds.jsonl")[0][1]
    assert first["train_loss"] == pytest.approx(1, abs=0.3)  # all scores are near 0 at the start


def test_the_centralised_baseline_runs_with_it(small_home, small_config, tmp_path, undrawn):
    config = small_config({"loss.name": OWN + "hinge", "federation.rounds": 1})
    folder = run_baseline("centralised", config, tmp_path / "run", lambda line: None, threads=1)
    assert read_json(folder / "run.json")["status"] == "done"


def test_a_bad_loss_ends_a_run_before_it_starts(small_home, small_config):
    from fedrec.factory.checks import check_fit

    with pytest.raises(ConfigError, match="one loss per target"):
        check_fit(small_config({"loss.name": OWN + "one_number"}))


def test_its_code_is_part_of_what_both_sides_must_share(small_config):
    plain, own = small_config(), small_config({"loss.name": OWN + "hinge"})
    assert "tests/training/own_losses.py" in client_code(own)
    assert client_code(plain) == {}
    assert client_fingerprint(own) != client_fingerprint(plain) == ""


def test_a_package_in_several_folders_counts_by_the_first(tmp_path, monkeypatch, small_config):
    for number, folder in enumerate(("one", "two")):
        package = tmp_path / folder / "spread_over_folders"
        package.mkdir(parents=True)
        (package / "losses.py").write_text(f"number = {number}\n")
        (package / f"only_{folder}.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path / folder)
    code = client_code(small_config({"loss.name": "spread_over_folders.losses:hinge"}))
    assert sorted(code) == [
        f"spread_over_folders/{name}.py" for name in ("losses", "only_one", "only_two")
    ]
    # "two" was put before "one" on the path.
    assert code["spread_over_folders/losses.py"] == hashlib.sha256(b"number = 1\n").hexdigest()
