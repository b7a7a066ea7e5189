"""A federation of one is a plain training loop; many clients with one step are one gradient."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fedrec.data.splits import training_counts
from fedrec.models.losses import softmax_loss
from fedrec.randomness import generator
from fedrec.training.batches import collate, epoch_order
from fedrec.training.dropout import keep_factors
from fedrec.training.objective import Draws, make_objective
from fedrec.workbench import make_model, open_data, open_table, prepare_data
from server.rounds import train_round


def opened(config):
    """Number of items, training parts and the initial model of a config."""
    dataset, training = open_data(prepare_data(config))
    counts = training_counts(dataset.sequences, dataset.catalog.num_items)
    model = make_model(config, dataset.catalog, open_table(config, dataset.catalog), counts)
    return dataset.catalog.num_items, training, model


def weights_after(folder, number):
    path = folder / "checkpoints" / f"round-{number:05d}" / "weights.safetensors"
    return load_file(path)


NOISY = {
    "partition.count": 1,
    "model.dropout": 0.2,
    "model.identity-dropout": 0.1,
    "loss.name": "sampled-softmax",
    "federation.rounds": 4,
    "federation.evaluate-every": 2,
    "local.optimizer-state": "keep",
    "local.learning-rate": 0.001,
    "run.checkpoint-every": 4,
}


@pytest.mark.parametrize("how", [{"local.epochs": 2}, {"local.steps": 5}])
def test_one_client_with_everybody_is_a_plain_loop_bit_for_bit(run_inline, small_config, how):
    config = small_config(NOISY | how)
    federated = weights_after(run_inline(config), 4)

    num_items, training, model = opened(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), fused=True)
    objective = make_objective(
        "sampled-softmax",
        training=training,
        num_items=num_items,
        negatives=20,
        log_q=True,
        calibration=0.75,
    )
    users = np.arange(60)
    passes = [epoch_order(training, users, 8, generator(0, "batches", n, 0)) for n in range(8)]
    in_a_round = how.get("local.steps", 2 * len(passes[0]))
    walk = [batch for one_pass in passes for batch in one_pass][: 4 * in_a_round]
    for number, who in enumerate(walk):
        batch = collate(training, who, 12)
        path = (1 + number // in_a_round, number % in_a_round)
        keep = keep_factors(
            batch.users, batch.lengths, num_sites=5, width=8, dropout=0.2, path=path, seed=0
        )
        optimizer.zero_grad()
        objective(model, batch, Draws(0, *path, keep, 0.1)).backward()
        optimizer.step()

    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(
            federated[name].astype(np.float32), parameter.detach().numpy(), err_msg=name
        )


@pytest.mark.parametrize("count", [2, 5])
def test_one_full_step_of_every_client_is_the_central_gradient_step(small_federation, count):
    changes = {
        "partition.count": count,
        "model.dropout": 0.0,
        "model.identity-dropout": 0.0,
        "loss.name": "softmax",
        "local.optimizer": "sgd",
        "local.learning-rate": 0.5,
        "local.batch-size": 60,
    }
    federation, state = small_federation(changes)
    before = {name: array.copy() for name, array in state.weights.items()}
    train_round(federation, state, 1)

    num_items, training, model = opened(federation.config)
    batch = collate(training, np.arange(60), 12)
    table = model.look_up(torch.arange(num_items + 1))
    states, _ = model.encode(table, torch.from_numpy(batch.items), torch.from_numpy(batch.lengths))
    targets = torch.from_numpy(batch.targets)
    softmax_loss(
        states[targets > 0], model.output_vectors(table)[1:], targets[targets > 0] - 1
    ).backward()
    for name, parameter in model.named_parameters():
        expected = before[name] - 0.5 * parameter.grad.numpy()
        np.testing.assert_allclose(state.weights[name], expected, rtol=0, atol=1e-6, err_msg=name)
        assert np.abs(expected - before[name]).max() > 1e-5, name


def test_fedprox_with_mu_zero_is_fedavg_bit_for_bit(small_federation):
    plain, one = small_federation({"strategy.name": "fedavg"})
    proximal, other = small_federation(
        {"strategy.name": "fedprox", "strategy.options": "proximal-mu = 0.0"}
    )
    pulled, third = small_federation(
        {"strategy.name": "fedprox", "strategy.options": "proximal-mu = 1.0"}
    )
    for number in (1, 2):
        train_round(plain, one, number)
        train_round(proximal, other, number)
        train_round(pulled, third, number)
    for name in one.weights:
        np.testing.assert_array_equal(one.weights[name], other.weights[name])
    assert any(not np.array_equal(one.weights[n], third.weights[n]) for n in one.weights)


def test_trimming_nothing_is_the_plain_mean(small_federation):
    trimmed, one = small_federation(
        {"strategy.name": "fedtrimmedavg", "strategy.options": "beta = 0.0"}
    )
    median, other = small_federation({"strategy.name": "fedmedian", "partition.count": 2})
    train_round(trimmed, one, 1)
    train_round(median, other, 1)  # runs; the median of two is their plain mean as well
    assert all(np.isfinite(array).all() for array in other.weights.values())
    assert all(np.isfinite(array).all() for array in one.weights.values())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    run_inline, small_config, tmp_path
):
    changes = {"federation.fraction": 0.6, "federation.evaluate-every": 2}
    one = run_inline(small_config(changes), tmp_path / "one")
    two = run_inline(small_config(changes), tmp_path / "two")
    three = run_inline(small_config(changes | {"seed": 1}), tmp_path / "three")
    model = "model.safetensors"
    assert (one / model).read_bytes() == (two / model).read_bytes()
    assert (one / "users.csv").read_bytes() == (two / "users.csv").read_bytes()
    assert (one / "metrics.json").read_bytes() == (two / "metrics.json").read_bytes()
    assert (one / model).read_bytes() != (three / model).read_bytes()


def test_the_initial_model_is_judged_alike_however_users_are_partitioned(
    run_inline, small_config, tmp_path
):
    found = []
    for count in (1, 3, 7):
        changes = {"partition.count": count, "federation.rounds": 1}
        folder = run_inline(small_config(changes), tmp_path / str(count))
        with (folder / "rounds.jsonl").open() as lines:
            found.append(json.loads(next(lines))["validation"])
    for other in found[1:]:
        # Other batches may round a score differently and swap two near-equal items.
        assert other == pytest.approx(found[0], abs=0.01)
