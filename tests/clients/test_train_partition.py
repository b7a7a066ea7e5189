import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clients.local_data
from clients.local_data import open_local_data, training_events
from clients.private_state import PrivateState
from fedrec.config.keys import flatten
from fedrec.errors import MessageError, ResourceError, TrainingError
from tests.clients.conftest import TOKEN


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
    digest = client.private[2]
    again, as_before = client.train(2, accepted=1, weights=first)
    assert_same(second, again)
    assert done == as_before
    assert client.private[2] == digest


MF = {"model.name": "bpr-mf", "loss.name": "bpr", "local.learning-rate": 0.05}


def test_rows_of_a_partitions_users_are_trained_and_asked_where_they_stay(desk):
    first, second = desk(MF, partition=0), desk(MF, partition=1)
    weights, done = first.train(1, accepted=0)
    second.train(1, accepted=0)
    assert set(weights) == {"rows", "bias"}
    # Twelve targets of the newest window at most; a user's first event is one of them.
    lengths = first.data.dataset.sequences.lengths()[first.data.users] - 2
    assert done.targets == lengths.clip(max=12).sum()
    for client in (first, second):
        rows = client.store.read(1, client.private[1])["parameter/user_rows"]
        assert rows.shape == (len(client.data.users), 8)
    ranks, personal = first.evaluate(accepted=1, weights=weights)
    assert personal is None  # with its users' rows it is the model, not one beside it
    assert not np.array_equal(ranks.ranks["full"], first.evaluate(weights=weights)[0].ranks["full"])
    # What is not loaded for this client's users must not be another's, whose model was built last.
    second.evaluate(accepted=1, weights=weights)
    again = first.evaluate(accepted=1, weights=weights)[0]
    np.testing.assert_array_equal(again.ranks["full"], ranks.ranks["full"])


KILLED = """
import os, signal
from fedrec.config.keys import read_config
from tests.clients.conftest import Desk
client = Desk(read_config({flat!r}))
client.private[1] = {private!r}
os.replace = lambda draft, path: os.kill(os.getpid(), signal.SIGKILL)
client.train(2, accepted=1)
"""


@pytest.mark.slow
def test_a_turn_that_was_killed_as_it_wrote_its_file_gives_the_same_bytes(desk):
    client, other = desk(PRIVATE), desk(PRIVATE)
    other.store = PrivateState(TOKEN[::-1], 0)
    for each in (client, other):
        each.train(1, accepted=0)
    script = KILLED.format(flat=flatten(client.config), private=client.private[1])
    root = Path(__file__).parent.parent.parent
    assert subprocess.run([sys.executable, "-c", script], cwd=root).returncode == -signal.SIGKILL
    left = sorted(path.name for path in client.store.folder.iterdir())
    assert left[0].startswith(".round-00002.")
    assert left[1:] == ["round-00001.safetensors"]

    found, expected = client.train(2, accepted=1), other.train(2, accepted=1)
    assert_same(found[0], expected[0])
    assert client.private[2] == other.private[2] != ""
    client.train(3, accepted=2)  # and what was left is swept up in time
    names = sorted(path.name for path in client.store.folder.iterdir())
    assert names == ["round-00002.safetensors", "round-00003.safetensors"]


@pytest.mark.parametrize("changes", [{}, PRIVATE])
def test_a_lost_reply_changes_nothing(desk, changes):
    client = desk(changes)
    first, _ = client.train(1, accepted=0)
    expected, _ = client.train(3, accepted=1, weights=first)
    other = desk(changes, partition=0)
    other.store = PrivateState(TOKEN[::-1], 0)
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
    reset.store = PrivateState(TOKEN[::-1], 0)
    first, _ = keep.train(1, accepted=0)
    also, _ = reset.train(1, accepted=0)
    assert_same(first, also)
    assert differs(
        keep.train(2, accepted=1, weights=first)[0], reset.train(2, accepted=1, weights=also)[0]
    )


def test_nothing_is_written_when_nothing_is_kept(desk):
    client = desk({"local.optimizer-state": "reset"})
    client.train(1, accepted=0)
    assert client.private[1] == ""
    assert not client.store.folder.exists()
    client.train(2, accepted=1)  # and nothing is missed


def test_a_private_parameter_stays_here_and_moves(desk):
    clients = [desk(PRIVATE, partition) for partition in (0, 1)]
    biases = []
    for client in clients:
        reply, _ = client.train(1, accepted=0)
        assert "gate.bias" not in reply
        biases.append(client.store.read(1, client.private[1])["parameter/gate.bias"])
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
    names = [*reply, *client.store.read(1, client.private[1])]
    assert not [name for name in names if "table" in name or "frequency" in name]


def test_a_fit_reports_the_targets_that_were_declared(desk):
    client = desk({"local.epochs": 3})
    _, done = client.train(1, accepted=0)
    assert done.targets == 3 * client.data.targets.sum()
    lengths = client.data.training.lengths()[client.data.users]
    np.testing.assert_array_equal(client.data.targets, np.minimum(lengths - 1, 12))


def test_fedprox_pulls_towards_the_weights_that_were_sent(desk):
    def distance(mu):
        client = desk({"local.epochs": 5, "local.optimizer": "sgd", "local.learning-rate": 0.05})
        after, _ = client.train(1, accepted=0, mu=mu)
        return sum(np.square(after[name] - client.weights[name]).sum() for name in after)

    assert distance(5.0) < 0.9 * distance(0.0)
    assert distance(5.0) > 0


def test_training_events_count_this_partitions_training_parts(desk):
    datas = [desk(partition=number).data for number in range(3)]
    counts = sum(training_events(data) for data in datas)
    expected = np.bincount(datas[0].training.items, minlength=len(counts))
    np.testing.assert_array_equal(counts, expected)


def test_the_data_is_opened_once_per_process(desk, small_config, monkeypatch):
    held = desk().data

    def refuse(*args, **keywords):
        raise AssertionError("opened again")

    monkeypatch.setattr(clients.local_data, "users_of", refuse)
    assert open_local_data(small_config(), 0) is held


def test_a_client_goes_on_from_an_earlier_round_that_a_checkpoint_kept(desk):
    client, other = desk(PRIVATE), desk(PRIVATE)
    other.store = PrivateState(TOKEN[::-1], 0)
    for each in (client, other):
        each.train(1, accepted=0)
    for number in (2, 3, 4):
        client.train(number, accepted=number - 1, keep=(1,))
    # The server was killed; its last checkpoint is that of round 1.
    assert_same(client.train(2, accepted=1)[0], other.train(2, accepted=1)[0])
    assert client.private[2] == other.private[2]


@pytest.mark.parametrize("work", ["train", "evaluate"])
def test_a_private_file_that_is_another_one_is_never_used(desk, work):
    client = desk(PRIVATE)
    client.train(1, accepted=0)
    client.private[1] = "0" * 64
    with pytest.raises(ResourceError, match=r"round-00001\.safetensors is not the one the server"):
        client.train(2, accepted=1) if work == "train" else client.evaluate(accepted=1)


def test_without_anything_to_keep_no_digest_is_looked_at(desk):
    client = desk({"local.optimizer-state": "reset"})
    client.private[1] = "0" * 64
    client.train(2, accepted=1)
    assert client.evaluate(accepted=1)[1] is None


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_local_training_that_diverges_is_an_error_and_leaves_nothing(desk, optimizer):
    client = desk({"local.learning-rate": 1e30, "local.optimizer": optimizer})
    with pytest.raises(TrainingError, match=r"its training diverged: loss (nan|inf) at step [23]"):
        client.train(1, accepted=0)
    assert not client.store.folder.exists()


def test_a_private_state_that_is_not_finite_is_never_kept(desk):
    """Divided by infinity, Adam's step is 0: the replies look good and nothing is learnt."""
    client = desk(PRIVATE)
    client.train(1, accepted=0)
    name = "optimizer/gate.bias/exp_avg_sq"
    state = client.store.read(1, client.private[1])
    state[name] = np.full_like(state[name], np.inf)
    client.private[1] = client.store.write(1, state)
    with pytest.raises(TrainingError, match=r"diverged: private 'optimizer/gate\.bias"):
        client.train(2, accepted=1)
    assert [path.name for path in client.store.folder.iterdir()] == ["round-00001.safetensors"]


def test_weights_of_another_dtype_are_refused_and_not_cast(desk):
    client = desk()
    client.weights = {name: array.astype(np.float64) for name, array in client.weights.items()}
    for work in (lambda: client.train(1, accepted=0), client.evaluate):
        with pytest.raises(MessageError, match=r"weights '.*' are float64, expected float32"):
            work()


PFEDREC = {"model.name": "pfedrec", "loss.name": "bce", "local.learning-rate": 0.05}


def test_a_client_of_pfedrec_scores_by_its_own_items(desk):
    client = desk(PFEDREC)
    weights, _ = client.train(1, accepted=0)
    assert set(weights) == {"rows"}
    kept = client.store.read(1, client.private[1])
    np.testing.assert_array_equal(kept["parameter/own_rows"], weights["rows"])
    averaged = {"rows": weights["rows"][::-1].copy()}
    own = client.evaluate(accepted=1, weights=weights)[0].ranks["full"]
    np.testing.assert_array_equal(
        client.evaluate(accepted=1, weights=averaged)[0].ranks["full"], own
    )
    # A client that has not trained has none of its own: it scores by what it is sent.
    before = [client.evaluate(weights=sent)[0].ranks["full"] for sent in (weights, averaged)]
    assert not np.array_equal(*before)
    # The next training goes on from what is sent.
    assert differs(*(client.train(2, 1, weights=sent)[0] for sent in (weights, averaged)))
