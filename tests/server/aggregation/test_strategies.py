import contextlib
import gc

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import strategy as flower

from fedrec.errors import ConfigError
from fedrec.records import array_record
from server.aggregation.strategies import (
    STRATEGIES,
    ServerAdam,
    check_cohort,
    make_strategy,
    min_replies,
)
from server.engines.inline import InlineGrid
from server.rounds import train_round


@pytest.fixture(autouse=True, scope="module")
def quick_collections():
    """Flower's q-FedAvg and Bulyan collect garbage once an array, slow with torch loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


def mean_of(one, count=1):
    """Replies as FedAvg wants them, by two clients of equal size around a mean."""
    replies = []
    for offset in (-1.0, 1.0):
        question = Message(RecordDict(), 1, "train")
        question.metadata.__dict__["_message_id"] = str(offset)
        content = RecordDict(
            {
                "arrays": array_record({"w": one + offset}),
                "metrics": MetricRecord({"num-examples": count}),
            }
        )
        replies.append(Message(content, reply_to=question))
    return replies


def two_nodes():
    """A grid of two clients, for ``configure_train``."""
    return InlineGrid(ClientApp(), 2, {})


@pytest.mark.parametrize("decay", [0, 4])
def test_server_adam_is_torch_adam_on_minus_the_mean_update(decay):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 2))
    parameter = torch.nn.Parameter(torch.from_numpy(weights.copy()))
    adam = torch.optim.Adam([parameter], lr=0.01, betas=(0.9, 0.98), eps=1e-8)
    steps = {"start_factor": 1.0, "end_factor": 0.0 if decay else 1.0, "total_iters": decay or 1}
    schedule = torch.optim.lr_scheduler.LinearLR(adam, **steps)
    ours = make_strategy("server-adam", f"learning-rate = 0.01, schedule-rounds = {decay}")
    for number in (1, 2, 4, 5, 9):  # rounds that were skipped or refused do not count
        ours.configure_train(number, array_record({"w": weights}), ConfigRecord(), two_nodes())
        update = rng.normal(size=(3, 2)) * 0.1
        record, _ = ours.aggregate_train(number, mean_of(weights + update))
        weights = record["w"].numpy()
        parameter.grad = torch.from_numpy(-update)
        adam.step()
        schedule.step()
        np.testing.assert_allclose(weights, parameter.detach().numpy(), rtol=0, atol=1e-12)
    assert ours.accepted_rounds == 5


def test_the_first_step_of_server_adam_is_the_learning_rate():
    ours = make_strategy("server-adam", "learning-rate = 0.25")
    start = {"w": np.array([1.0, 1.0])}
    ours.configure_train(1, array_record(start), ConfigRecord(), two_nodes())
    record, _ = ours.aggregate_train(1, mean_of(np.array([1.5, 0.0])))
    # m / (1 - b1) = g and v / (1 - b2) = g^2, so the step is rate * sign(update)
    np.testing.assert_allclose(record["w"].numpy(), [1.25, 0.75], rtol=0, atol=1e-7)


def test_server_adam_says_what_the_next_round_needs():
    ours = make_strategy("server-adam", "")
    ours.configure_train(1, array_record({"w": np.ones(2)}), ConfigRecord(), two_nodes())
    ours.aggregate_train(1, mean_of(np.zeros(2)))
    state = ours.state_dict()
    assert set(state) == {"first/w", "second/w", "accepted-rounds"}
    np.testing.assert_allclose(state["first/w"], [0.1, 0.1])  # (1 - .9) * minus the update
    assert int(state["accepted-rounds"]) == 1


REQUIRED = {"fedprox": "proximal-mu = 0.1", "qfedavg": "client-learning-rate = 0.002"}


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_trains_two_rounds(small_federation, name):
    changes = {"strategy.name": name, "partition.count": 3, "local.steps": 1}
    changes["strategy.options"] = REQUIRED.get(name, "")
    federation, state = small_federation(changes)
    before = {key: array.copy() for key, array in state.weights.items()}
    for number in (1, 2):
        line = train_round(federation, state, number)
        assert line["aggregated"] == [0, 1, 2]
    for key, array in state.weights.items():
        assert array.dtype == np.float64
        assert np.isfinite(array).all(), key
    assert any(not np.array_equal(before[key], state.weights[key]) for key in before)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ("proximal-mu = 0.1", "proximal-mu"),
        ("fraction-train = 0.5", "fraction-train"),  # the round chooses
        ("min_available_nodes = 9", "min-available-nodes"),  # the round waits
        ("self = 1", "self"),
        ("train-loss-key = 'x'", "train-loss-key"),  # the round names its metrics
        ("lerning-rate = 1.0", "lerning-rate"),
    ],
)
def test_an_option_that_a_strategy_does_not_take_is_refused_by_name(options, key):
    with pytest.raises(ConfigError, match=f"strategy.options has '{key}', which fedavg does not"):
        make_strategy("fedavg", options)


def test_flowers_twelve_go_by_name():
    names = "fedavg fedprox fedavgm fedadam fedyogi fedadagrad qfedavg fedmedian fedtrimmedavg"
    ours = {"server-adam", "lora-svd"}
    assert set(STRATEGIES) == {*names.split(), "krum", "multikrum", "bulyan", *ours}


def test_qfedavg_weighs_by_our_train_loss():
    made = make_strategy("qfedavg", "client-learning-rate = 0.5, q = 1")
    assert isinstance(made, flower.QFedAvg)
    made.configure_train(1, array_record({"w": np.zeros(1)}), ConfigRecord(), two_nodes())
    replies = mean_of(np.array([3.0]))  # clients at 2 and 4
    for reply, loss in zip(replies, (1.0, 2.0), strict=True):
        reply.content["metrics"]["train-loss"] = loss
    # Gradients -2/.5 = -4 and -4/.5 = -8, losses 1 and 2 (plus 1e-10), q = 1, L = 2:
    # h = |g|^2 + L * loss = 16 + 2 and 64 + 4, so the step is (1 * 4 + 2 * 8) / (18 + 68).
    record, _ = made.aggregate_train(1, replies)
    np.testing.assert_allclose(record["w"].numpy(), [20 / 86], rtol=1e-9)


def test_qfedavg_says_that_it_needs_the_clients_rate():
    with pytest.raises(ConfigError, match=r"'qfedavg' needs 'client-learning-rate'; set strategy"):
        make_strategy("qfedavg", "q = 0.2")


@pytest.mark.parametrize(
    ("name", "option", "wanted"),
    [
        ("fedprox", "proximal-mu = -0.1", "0 or more, got -0.1"),
        ("fedprox", "proximal-mu = nan", "a finite number, got nan"),
        ("fedprox", "proximal-mu = true", "a finite number, got True"),
        ("fedprox", "proximal-mu = '0.1'", "a finite number, got '0.1'"),
        ("server-adam", "learning-rate = inf", "a finite number, got inf"),
        ("server-adam", "beta-2 = 1", "below 1, got 1"),
        ("server-adam", "epsilon = 0", "above 0, got 0"),  # 0 / 0 where nothing was read
        ("fedavgm", "server-momentum = -1", "0 or more, got -1"),
        ("multikrum", "num-malicious-nodes = 1.5", "a whole number, got 1.5"),
        ("multikrum", "num-nodes-to-select = 0", "above 0, got 0"),
        ("qfedavg", "client-learning-rate = 0.0", "above 0, got 0.0"),
    ],
)
def test_a_number_that_would_fail_in_the_first_round_is_refused_before_it(name, option, wanted):
    key = option.partition(" ")[0]
    with pytest.raises(ConfigError, match=f"^strategy.options: {key} of {name} must be {wanted}$"):
        make_strategy(name, option)


@pytest.mark.parametrize(
    ("name", "least"), [("krum", 7), ("multikrum", 7), ("bulyan", 11), ("fedmedian", 1)]
)
def test_two_malicious_clients_need_a_majority_around_them(name, least):
    options = "num-malicious-nodes = 2" if least > 1 else ""
    strategy = make_strategy(name, options)
    assert min_replies(strategy) == least
    check_cohort(strategy, least)
    with pytest.raises(ConfigError) if least > 1 else contextlib.nullcontext():
        check_cohort(strategy, max(1, least - 1))


def test_the_refusal_lists_what_there_is():
    listed = "it takes: beta-1, beta-2, epsilon, learning-rate, schedule-rounds( |$)"
    with pytest.raises(ConfigError, match=listed):
        make_strategy("server-adam", "rate = 1")


def test_options_are_handed_over():
    made = make_strategy("server-adam", "learning-rate = 0.5, beta_1 = 0.8")
    assert isinstance(made, ServerAdam)
    assert (made.learning_rate, made.beta_1, made.beta_2) == (0.5, 0.8, 0.98)
    krum = make_strategy("multikrum", "num-malicious-nodes = 2")
    assert isinstance(krum, flower.MultiKrum)
    assert krum.num_malicious_nodes == 2


@pytest.mark.parametrize("options", ["proximal-mu 0.1", "{", "a = b", "x = 1 } y"])
def test_options_that_do_not_parse_are_refused_with_an_example(options):
    with pytest.raises(ConfigError, match=r"strategy.options must read like 'proximal-mu = 0.01"):
        make_strategy("fedprox", options)


def test_a_name_that_is_not_known_names_the_nearest():
    with pytest.raises(ConfigError, match=r"strategy.name must be one of .*'fedavg'\?"):
        make_strategy("fedagv", "")


def test_a_strategy_of_ones_own_is_named_by_module_and_class(
    tmp_path, monkeypatch, small_federation
):
    (tmp_path / "own_strategy.py").write_text(
        "from flwr.serverapp.strategy import FedAvg\n"
        "class Half(FedAvg):\n"
        "    def __init__(self, factor: float = 0.5, **options):\n"
        "        super().__init__(**options)\n"
        "        self.factor = factor\n"
        "class Other:\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make_strategy("own_strategy:Half", "factor = 0.25").factor == 0.25
    federation, state = small_federation({"strategy.name": "own_strategy:Half"})
    assert train_round(federation, state, 1)["aggregated"] == [0, 1, 2]
    with pytest.raises(ConfigError, match=r"'own_strategy:Other' is no subclass"):
        make_strategy("own_strategy:Other", "")
    with pytest.raises(ConfigError, match=r"'own_strategy:None_' cannot be imported"):
        make_strategy("own_strategy:None_", "")


def test_an_array_record_keeps_float64():
    # Flower averages in the dtype that it is given: float32 would lose small updates.
    record = array_record({"w": np.array([1 + 1e-12])})
    assert isinstance(record, ArrayRecord)
    assert record["w"].numpy()[0] == 1 + 1e-12


class WithRest(flower.FedAvg):
    def __init__(self, *, pull=0.5, **rest):
        super().__init__(**rest)
        self.pull = pull


def test_parameters_for_the_rest_are_no_options():
    name = f"{__name__}:WithRest"
    assert make_strategy(name, "pull = 0.25").pull == 0.25
    with pytest.raises(ConfigError, match=r"has 'rest', which .* it takes: pull( |$)"):
        make_strategy(name, "rest = 1")
