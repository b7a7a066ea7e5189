"""A federation of one is a plain training loop; many clients with one step are one gradient."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fedrec.models.losses import softmax_losses
from fedrec.randomness import generator
from fedrec.training.batches import collate, epoch_order
from fedrec.training.cloze import cloze
from fedrec.training.objective import StepSeeds, make_objective
from server.rounds import train_round


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


@pytest.mark.parametrize(
    "how",
    [
        {"local.epochs": 2},
        {"local.steps": 5},
        {"local.steps": 5, "local.batches": "random"},
        {"local.steps": 3, "model.encoder": "bidirectional"},
        {"local.steps": 3, "model.time": "hour,gap,relative"},
    ],
    ids=str,
)
def test_one_client_with_everybody_is_a_plain_loop_bit_for_bit(
    run_inline, small_config, opened, precision, how
):
    config = small_config(NOISY | how)
    federated = weights_after(run_inline(config), 4)

    num_items, training, model = opened(config)
    precision.model(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), fused=True)
    objective = make_objective(
        "sampled-softmax",
        training=training,
        catalogue=np.arange(1, num_items + 1),
        negatives=20,
        log_q=True,
        calibration=0.75,
    )
    users = np.arange(60)
    at_random = "local.batches" in how
    passes = [
        epoch_order(training, users, 8, generator(0, "batches", n, 0), at_random=at_random)
        for n in range(8)
    ]
    in_a_round = how.get("local.steps", 2 * len(passes[0]))
    walk = [batch for one_pass in passes for batch in one_pass][: 4 * in_a_round]
    for number, who in enumerate(walk):
        batch = collate(training, who, 12, with_times="model.time" in how)
        path = (1 + number // in_a_round, number % in_a_round)
        if "model.encoder" in how:
            batch = cloze(batch, 0.2, max_length=12, seed=0, round=path[0], step=path[1])
        optimizer.zero_grad()
        objective(
            model,
            batch,
            StepSeeds(
                seed=0,
                round=path[0],
                step=path[1],
                dropout=0.2,
                identity_dropout=0.1,
                in_groups=at_random,
            ),
        ).backward()
        optimizer.step()

    for name, parameter in model.named_parameters():
        expected = parameter.detach().numpy()
        if precision.name == "float32":
            got = federated[name].astype(np.float32)
            np.testing.assert_array_equal(got, expected, err_msg=name)
        else:  # start + (end - start) is exact in float64 for numbers that were float32, no others
            np.testing.assert_allclose(federated[name], expected, rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("count", [2, 5])
def test_one_full_step_of_every_client_is_the_central_gradient_step(
    small_federation, opened, precision, count
):
    changes = {
        "partition.count": count,
        "model.dropout": 0.0,
        "model.identity-dropout": 0.0,
        "loss.name": "softmax",
        "loss.own-history": "keep",
        "local.optimizer": "sgd",
        "local.learning-rate": 0.5,
        "local.batch-size": 60,
    }
    federation, state = small_federation(changes)
    before = {name: array.copy() for name, array in state.weights.items()}
    assert train_round(federation, state, 1)["aggregated"] == list(range(count))

    num_items, training, model = opened(federation.config)
    precision.model(model)
    batch = collate(training, np.arange(60), 12)
    table = model.look_up(torch.arange(num_items + 1))
    states, _ = model.encode(table, torch.from_numpy(batch.items), torch.from_numpy(batch.lengths))
    targets = torch.from_numpy(batch.targets)
    softmax_losses(
        states[targets > 0], model.output_vectors(table)[1:], targets[targets > 0] - 1
    ).mean().backward()
    for name, parameter in model.named_parameters():
        expected = before[name] - 0.5 * parameter.grad.numpy()
        np.testing.assert_allclose(
            state.weights[name], expected, rtol=0, atol=precision.atol, err_msg=name
        )
        assert np.abs(expected - before[name]).max() > 1e-5, name


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


def test_the_initial_model_is_evaluated_alike_however_users_are_partitioned(
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
