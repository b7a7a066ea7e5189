"""The centralised baseline of a federation of users: the same steps, all data in one place."""

import numpy as np
import pytest

from experiments.baselines.run import centralised_config
from fedrec.config.keys import flatten
from fedrec.config.sections.federation import Federation
from fedrec.config.sections.local import Local
from server.rounds import train_round

# Everybody in every round, one gradient each, so that a round is a pass in one batch.
EVERYBODY = {
    "federation.unit": "user",
    "federation.cohort": 59,  # all but one, who has a single training event
    "local.optimizer-state": "reset",
    "local.optimizer": "sgd",
    "local.learning-rate": 1.0,
    "local.steps": 1,
    "local.batch-size": 100,
    "model.max-length": 5,
    "model.dropout": 0.0,
    "model.identity-dropout": 0.0,
    "loss.name": "softmax",
    "strategy.name": "server-adam",
    "strategy.options": "learning-rate = 0.03, beta-1 = 0.6, beta-2 = 0.8, epsilon = 0.002",
}


@pytest.mark.parametrize("windows", [0, 1, 2])
def test_a_federation_of_everybody_takes_the_steps_of_its_central_reference(
    small_federation, small_config, tmp_path, precision, windows
):
    keys = EVERYBODY | {"local.windows": windows}
    centralised = centralised_config(small_config(keys), tmp_path)
    own, alone = small_federation(keys), small_federation(flatten(centralised))
    for number in (1, 2, 3):
        lines = [
            train_round(*federation_and_state, number) for federation_and_state in (own, alone)
        ]
        assert lines[0]["targets"] == lines[1]["targets"]
        assert lines[0]["train_loss"] == pytest.approx(lines[1]["train_loss"], rel=1e-5)
    start = small_federation(keys)[1].weights
    for name, array in own[1].weights.items():
        moved = np.abs(array - start[name]).max()
        assert np.abs(array - alone[1].weights[name]).max() < 20 * precision.atol, name
        assert moved > 1e-3 or name.endswith("bias"), name


def test_a_partition_reads_whole_histories_in_a_few_steps_too(small_federation):
    keys = {"local.steps": 2, "local.batch-size": 4, "local.windows": 0, "model.max-length": 3}
    federation, state = small_federation(keys)
    line = train_round(federation, state, 1)
    assert line["aggregated"] == [0, 1, 2]
    assert line["targets"] > 3 * 2 * 4 * 3  # more than a window each
    assert line["targets"] <= sum(federation.registration.targets.values())


def test_the_central_reference_keeps_what_computes_and_drops_what_sends(small_config, tmp_path):
    sending = {
        "federation.drop-out": 0.4,
        "federation.clip-norm": 0.5,
        "federation.upload": "int8",
        "federation.download": "float16",
        "federation.sampling": "poisson",
        "federation.weighting": "uniform",
        "local.group-tokens": 512,
        "local.windows": 3,
    }
    found = centralised_config(small_config(EVERYBODY | sending), tmp_path)
    local = found.local
    adam = (local.optimizer, local.learning_rate, local.beta_1, local.beta_2, local.epsilon)
    assert adam == ("adam", 0.03, 0.6, 0.8, 0.002)
    assert (local.windows, local.batch_size, local.steps, local.epochs) == (3, 59, 0, 1)
    assert local.group_tokens == Local().group_tokens
    assert found.federation == Federation(rounds=2, share_counts_min_users=1)
    assert (found.partition.count, found.strategy.name, found.strategy.options) == (1, "fedavg", "")
    assert centralised_config(found, tmp_path) == found


def test_nobody_drops_out_of_a_central_reference_of_partitions_either(small_config, tmp_path):
    found = centralised_config(small_config({"federation.drop-out": 0.9}), tmp_path)
    assert found.federation.drop_out == 0
