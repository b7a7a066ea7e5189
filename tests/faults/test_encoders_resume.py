"""Every encoder in a federation with FedProx: stopped and resumed, it comes to the same bytes."""

import dataclasses

import pytest

import server.rounds
import server.training.collect
from fedrec.config.keys import read_config
from fedrec.data.sequences import Sequences
from fedrec.errors import DataError
from fedrec.factory.checks import check_times
from fedrec.factory.data import open_prepared
from fedrec.runs.record import read_json, read_run

PLAN = {
    "model.dropout": 0.2,
    "partition.count": 2,
    "local.steps": 2,
    "federation.evaluate-every": 2,
    "strategy.name": "fedprox",
    "strategy.options": "proximal-mu = 0.1",
    "run.checkpoint-every": 1,
}
MODELS = [
    {"model.name": "bert4rec"},
    {"model.encoder": "gru"},
    {"model.name": "dualrec-lstm", "loss.name": "softmax"},
    {"model.time": "hour,gap,relative"},
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_federation_of_any_encoder_goes_on_to_the_same_bytes(
    run_inline, run_once, small_config, tmp_path, strike, ctrl_c, left_by, model
):
    config, folder = small_config(PLAN | model), tmp_path / "run"
    whole = run_once(config)
    strike(server.training.collect, "exchange", 2, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    run_inline(read_config({"run.resume": True}, config), folder)
    assert left_by(folder) == left_by(whole)
    knows = "model.time" in model
    label = "full+query-time" if knows else "full"
    assert read_json(folder / "metrics.json")["protocol"] == label
    unfinished = dataclasses.replace(read_run(folder), metrics=None)
    assert unfinished.protocol == label


def test_data_that_have_only_an_order_are_refused_by_name(small_home, small_config):
    config = small_config({"model.time": "gap"})
    dataset = open_prepared(config).dataset
    known = dataset.sequences
    ordered = dataclasses.replace(dataset, sequences=Sequences(known.items, known.offsets))
    check_times(config.model.time, dataset)
    with pytest.raises(DataError, match=r"model\.time = 'gap' needs .* only their order"):
        check_times(config.model.time, ordered)
