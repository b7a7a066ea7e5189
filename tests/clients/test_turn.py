import numpy as np
import pytest

import clients.turn
from clients.memory import Memory
from clients.turn import evaluate_turn, open_holding, train_turn, training_events
from fedrec.errors import ConfigError
from fedrec.models.parameters import arrays_of, groups_of
from fedrec.workbench import make_model, open_data, open_table, prepare_data

TOKEN = "fedcba9876543210"


class Desk:
    """One client at work: its config, its holding, the weights it is sent."""

    def __init__(self, config, partition=0):
        self.config, self.partition = config, partition
        self.holding = open_holding(config, partition)
        dataset = open_data(prepare_data(config))[0]
        self.num_items = dataset.catalog.num_items
        self.frequency = np.ones(self.num_items + 1, dtype=np.int64)
        model = make_model(
            config, dataset.catalog, open_table(config, dataset.catalog), self.frequency
        )
        private = ["gate-bias"] if config.model.private else []
        self.weights = arrays_of(model, groups_of(model, private).shared)
        self.memory = Memory(TOKEN, partition)

    def train(self, round, accepted, weights=None, mu=0.0):
        return train_turn(
            self.config,
            self.holding,
            self.memory,
            weights or self.weights,
            self.frequency,
            round=round,
            accepted=accepted,
            partition=self.partition,
            proximal_mu=mu,
        )

    def evaluate(self, scorer="model", accepted=0, stage="validation", weights=None):
        return evaluate_turn(
            self.config,
            self.holding,
            self.memory,
            weights or self.weights,
            self.frequency,
            scorer=scorer,
            stage=stage,
            protocols=("full",),
            accepted=accepted,
            counts_are_shared=True,
        )


@pytest.fixture
def desk(small_home, small_config):
    return lambda changes=None, partition=0: Desk(small_config(changes), partition)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def differs(one, other):
    return any(not np.array_equal(one[name], other[name]) for name in one)


PRIVATE = {"model.private": "gate-bias", "local.learning-rate": 0.05}


@pytest.mark.parametrize("changes", [{}, PRIVATE, {"local.optimizer-state": "reset"}])
def test_a_turn_that_is_asked_for_again_gives_the_same_bytes(desk, changes):
    client = desk(changes)
    first, _ = client.train(1, accepted=0)
    second, done = client.train(2, accepted=1, weights=first)
    again, as_before = client.train(2, accepted=1, weights=first)
    assert_same(second, again)
    assert done == as_before


@pytest.mark.parametrize("changes", [{}, PRIVATE])
def test_a_lost_reply_changes_nothing(desk, changes):
    client = desk(changes)
    first, _ = client.train(1, accepted=0)
    expected, _ = client.train(3, accepted=1, weights=first)
    other = desk(changes, partition=0)
    other.memory = Memory(TOKEN[::-1], 0)
    other.train(1, accepted=0)
    other.train(2, accepted=1, weights=first)  # this reply never arrives
    found, _ = other.train(3, accepted=1, weights=first)
    assert_same(found, expected)


def test_the_turn_of_another_client_in_between_changes_nothing(desk):
    one, other = desk(PRIVATE, 0), desk(PRIVATE, 1)
    first, _ = one.train(1, accepted=0)
    alone, _ = one.train(2, accepted=1, weights=first)
    other.train(1, accepted=0)
    one.evaluate(accepted=1)
    after, _ = one.train(2, accepted=1, weights=first)
    assert_same(alone, after)


def test_a_kept_optimizer_state_makes_the_second_round_another_one(desk):
    keep, reset = desk(), desk({"local.optimizer-state": "reset"})
    reset.memory = Memory(TOKEN[::-1], 0)
    first, _ = keep.train(1, accepted=0)
    also, _ = reset.train(1, accepted=0)
    assert_same(first, also)
    assert differs(
        keep.train(2, accepted=1, weights=first)[0], reset.train(2, accepted=1, weights=also)[0]
    )


def test_nothing_is_written_when_nothing_is_kept(desk):
    client = desk({"local.optimizer-state": "reset"})
    client.train(1, accepted=0)
    assert not client.memory.folder.exists()
    client.train(2, accepted=1)  # and nothing is missed


def test_a_private_parameter_stays_here_and_moves(desk):
    clients = [desk(PRIVATE, partition) for partition in (0, 1)]
    biases = []
    for client in clients:
        reply, _ = client.train(1, accepted=0)
        assert "gate.bias" not in reply
        biases.append(client.memory.read(1)["parameter/gate.bias"])
    assert (biases[0] != 0).any()
    assert not np.array_equal(*biases)


def test_a_private_parameter_makes_a_personal_model(desk):
    client = desk(PRIVATE)
    assert client.evaluate(accepted=0)[1] is None  # nothing has been learnt yet
    reply, _ = client.train(1, accepted=0)
    held_out, personal = client.evaluate(accepted=1, weights=reply)
    assert personal.shape == held_out.ranks["full"].shape == (20,)
    # The global ranks are those of the bias that everybody starts with.
    assert_same(held_out.ranks, client.evaluate(accepted=0, weights=reply)[0].ranks)


def test_frozen_names_are_in_no_reply_and_no_private_file(desk):
    client = desk(PRIVATE)
    reply, _ = client.train(1, accepted=0)
    names = [*reply, *client.memory.read(1)]
    assert not [name for name in names if "table" in name or "frequency" in name]


def test_a_fit_reports_the_targets_that_were_declared(desk):
    client = desk({"local.epochs": 3})
    _, done = client.train(1, accepted=0)
    assert done.targets == 3 * client.holding.targets
    lengths = client.holding.training.lengths()[client.holding.users]
    assert client.holding.targets == np.minimum(lengths - 1, 12).sum()


def test_fedprox_pulls_towards_the_weights_that_were_sent(desk):
    def distance(mu):
        client = desk({"local.epochs": 5, "local.optimizer": "sgd", "local.learning-rate": 0.05})
        after, _ = client.train(1, accepted=0, mu=mu)
        return sum(np.square(after[name] - client.weights[name]).sum() for name in after)

    assert distance(5.0) < 0.9 * distance(0.0)
    assert distance(5.0) > 0


def test_training_events_count_this_partitions_training_parts(desk):
    holdings = [desk(partition=number).holding for number in range(3)]
    counts = sum(training_events(holding) for holding in holdings)
    expected = np.bincount(holdings[0].training.items, minlength=len(counts))
    np.testing.assert_array_equal(counts, expected)


def test_scorers_by_name(desk):
    client = desk()
    model = client.evaluate()[0].ranks["full"]
    popularity = client.evaluate("popularity")[0].ranks["full"]
    best = client.evaluate("best-possible")[0].ranks["full"]
    assert best.mean() < popularity.mean()
    assert not np.array_equal(model, popularity)
    # All counts are equal: everybody's item is in the middle of all that was not seen.
    candidates = client.evaluate("popularity")[0].num_candidates
    np.testing.assert_array_equal(popularity, (candidates + 1) / 2)
    with pytest.raises(ConfigError, match="scorer must be model, popularity or best-possible"):
        client.evaluate("oracle")


def test_the_test_stage_ranks_the_last_item_and_reads_the_validation_item(desk):
    client = desk()
    sequences, users = client.holding.dataset.sequences, client.holding.users
    for stage, back in (("validation", 2), ("test", 1)):
        found = client.evaluate(stage=stage)[0]
        assert found.targets.tolist() == [sequences.of(user)[-back] for user in users]
        seen = [len(set(sequences.of(user)[:-back])) for user in users]
        np.testing.assert_array_equal(found.num_candidates, client.num_items - np.array(seen))


def test_the_holding_is_opened_once_per_process(desk, small_config, monkeypatch):
    held = desk().holding

    def refuse(*args, **keywords):
        raise AssertionError("opened again")

    monkeypatch.setattr(clients.turn, "open_data", refuse)
    assert open_holding(small_config(), 0) is held
