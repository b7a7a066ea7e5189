import dataclasses
import re

import numpy as np
import pytest
from flwr.app import Array

from clients.app import app
from fedrec import protocol
from fedrec.config.keys import flatten
from fedrec.data.splits import training_counts
from fedrec.errors import ConfigError, DataError, FedrecError, MessageError, ParticipationError
from fedrec.factory.data import open_prepared
from server.engines.inline import InlineGrid
from server.messages.exchange import SampledNodes
from server.messages.private_state import delete_client_state
from server.messages.registration import register_clients, wait_for_nodes


def grid_of(config, count=None, client=app):
    return InlineGrid(client, count or config.partition.count, flatten(config))


def all_share(num_users):
    return True


def registration_of(config, client=app):
    return register_clients(
        grid_of(config, client=client),
        config.partition.count,
        config.model.max_length,
        60.0,
        shares_counts=config.federation.shares_counts,
    )


def changed_registration(change, partition=1):
    def client(message, context):
        reply = app(message, context)
        if context.node_config["partition-id"] == partition:
            change(reply.content)
        return reply

    return client


def test_the_registration_adds_up(small_home, small_config):
    config = small_config()
    registration = registration_of(config)
    prepared = open_prepared(config)
    dataset, training = prepared.dataset, prepared.full_training
    assert registration.partitions == [0, 1, 2]
    everyone = np.concatenate(
        [registration.users[partition] for partition in registration.partitions]
    )
    assert sorted(everyone) == list(range(60))
    assert registration.num_users == 60
    # one target less than training events, at most model.max-length
    assert registration.total_targets == np.minimum(training.lengths() - 1, 12).sum()
    np.testing.assert_array_equal(
        registration.counts, training_counts(dataset.sequences, dataset.catalog.num_items)
    )
    for partition, users in registration.users.items():
        assert registration.user_ids[partition] == [dataset.user_ids[user] for user in users]
    assert registration.data_hash == dataset.data_hash


def test_counts_stay_on_the_clients_if_they_are_not_shared(small_home, small_config):
    assert registration_of(small_config({"federation.share-counts": False})).counts is None


def test_too_many_nodes_are_a_mistake_in_the_config(small_home, small_config):
    config = small_config()
    with pytest.raises(ConfigError, match=r"4 SuperNodes but partition.count is 3; set") as raised:
        register_clients(grid_of(config, count=4), 3, 12, 60.0, shares_counts=all_share)
    assert raised.value.exit_code == 2


def test_too_few_nodes_are_waited_for_and_then_named(small_home, small_config):
    with pytest.raises(ConfigError, match=r"2 of partition.count = 3 SuperNodes came up"):
        wait_for_nodes(grid_of(small_config(), count=2), 3, timeout=0.0)


def test_a_clients_error_keeps_its_kind(small_home, small_config):
    config = small_config({"data.source": "nothing-here"})
    with pytest.raises(DataError, match="nothing-here") as raised:
        registration_of(config)
    assert raised.value.exit_code == 4
    assert "\n" not in str(raised.value)


def test_more_partitions_than_users_are_refused(small_home, small_config):
    with pytest.raises(ConfigError, match=r"partition.count is 61, but 60 users") as raised:
        registration_of(small_config({"partition.count": 61}))
    assert raised.value.exit_code == 2


def test_nodes_with_different_data_are_refused(small_home, small_config):
    def change(content):
        content.config_records[protocol.METADATA][protocol.DATA_HASH] = "0" * 64

    with pytest.raises(DataError, match="hold different data"):
        registration_of(small_config(), changed_registration(change))


def test_a_user_in_two_partitions_is_refused(small_home, small_config):
    def change(content):
        users = content.array_records[protocol.REGISTRATION]["users"].numpy().copy()
        other = 1 - min(users[0], 1) if users[0] in (0, 1) else 0
        users[0] = other if other not in users else users[1]
        content.array_records[protocol.REGISTRATION]["users"] = Array(users)

    with pytest.raises(DataError, match="two partitions hold the same user"):
        registration_of(small_config(), changed_registration(change))


def test_nodes_with_another_embedding_table_are_refused(small_home, small_config):
    def change(content):
        content.config_records[protocol.METADATA][protocol.TABLE_HASH] = "0" * 64

    with pytest.raises(DataError, match="hold different data or semantic embeddings"):
        registration_of(small_config(), changed_registration(change))


def test_nodes_whose_own_views_differ_are_refused(small_home, small_config):
    def change(content):
        content.config_records[protocol.METADATA][protocol.VIEWS_HASH] = "0" * 64

    with pytest.raises(ConfigError, match="are different arrays on the SuperNodes") as raised:
        registration_of(small_config(), changed_registration(change))
    assert "\n" not in str(raised.value)


def test_a_client_that_withholds_its_counts_is_excluded(small_home, small_config):
    def change(content):
        content.array_records[protocol.REGISTRATION].pop("counts")

    with pytest.raises(MessageError, match="it does not send counts per item, which a client of"):
        registration_of(small_config(), changed_registration(change))


@pytest.mark.parametrize("targets", [10**12, 12 * 20 + 1])
def test_more_targets_than_the_users_can_have_are_refused(small_home, small_config, targets):
    def change(content):
        content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES] = targets

    with pytest.raises(MessageError, match="its training targets cannot be valid"):
        registration_of(small_config(), changed_registration(change))


def test_more_targets_than_events_are_refused(small_home, small_config):
    def change(content):
        record = content.array_records[protocol.REGISTRATION]
        record["counts"] = Array(np.minimum(record["counts"].numpy(), 1))

    with pytest.raises(MessageError, match="training targets, fewer events in its counts"):
        registration_of(small_config(), changed_registration(change))


def put_array(name, change):
    def tamper(content):
        arrays = content.array_records[protocol.REGISTRATION]
        arrays[name] = Array(np.asarray(change(arrays[name].numpy())))

    return tamper


def put_fact(key, value):
    def tamper(content):
        content.config_records[protocol.METADATA][key] = value

    return tamper


def put_targets(value):
    def tamper(content):
        content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES] = value

    return tamper


def without(*path):
    def tamper(content):
        *outer, last = path
        (content[outer[0]] if outer else content).pop(last)

    return tamper


NOT_USABLE = "the registration of a SuperNode cannot be used: "
MALFORMED = {
    "no_registration": (without(protocol.REGISTRATION), "KeyError: 'registration'"),
    "no_metrics": (without(protocol.METRICS), "KeyError: 'metrics'"),
    "no_users": (without(protocol.REGISTRATION, "users"), "KeyError: 'users'"),
    "no_ids": (without(protocol.METADATA, "user-ids"), "it does not send original ids of users"),
    "no_partition": (without(protocol.METADATA, protocol.PARTITION), "KeyError: 'partition'"),
    "no_hash": (without(protocol.METADATA, protocol.DATA_HASH), "KeyError: 'data-hash'"),
    "no_targets": (without(protocol.METRICS, protocol.NUM_EXAMPLES), "KeyError: 'num-examples'"),
    "a_word_for_a_partition": (put_fact(protocol.PARTITION, "1"), "its partition"),
    "true_for_a_partition": (put_fact(protocol.PARTITION, True), "its partition"),
    "half_a_user": (put_array("users", lambda a: a + 0.5), "its users cannot be valid"),
    "users_in_a_square": (put_array("users", lambda a: a[:, None]), "its users cannot be valid"),
    "a_negative_user": (put_array("users", lambda a: a - 60), "its users cannot be valid"),
    "a_user_without_an_id": (put_array("users", lambda a: a[1:]), "its users' ids"),
    "one_word_for_ids": (put_fact("user-ids", "u" * 20), "its users' ids"),
    "numbers_for_ids": (put_fact("user-ids", list(range(20))), "its users' ids"),
    "negative_targets": (put_targets(-3), "its training targets"),
    "half_a_target": (put_targets(2.5), "its training targets"),
    "nan_targets": (put_targets(float("nan")), "its training targets"),
    "negative_counts": (put_array("counts", lambda a: a - 10**6), "its counts"),
    "counts_that_are_none": (put_array("counts", lambda a: a / 3), "its counts"),
}


@pytest.mark.parametrize(("change", "words"), MALFORMED.values(), ids=MALFORMED)
def test_a_reply_that_is_none_is_refused_in_one_line(small_home, small_config, change, words):
    with pytest.raises(MessageError, match=re.escape(NOT_USABLE + words)) as raised:
        registration_of(small_config(), changed_registration(change))
    assert "\n" not in str(raised.value)


def test_a_clients_words_are_one_line(small_home, small_config):
    def change(content):
        content.config_records[protocol.METADATA]["error"] = "first\nsecond\x1b[31m" + "x" * 10**5

    with pytest.raises(FedrecError) as raised:
        registration_of(small_config(), changed_registration(change))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) == 604


def test_a_partition_that_is_missing_is_named(small_home, small_config):
    said = "cannot be used: it says that it is partition 7, expected 0 to 2"
    with pytest.raises(MessageError, match=said):
        registration_of(
            small_config(), changed_registration(put_fact(protocol.PARTITION, 7), partition=2)
        )


def test_nodes_that_do_not_reply_are_too_few(small_home, small_config):
    config = small_config()

    class Losing(SampledNodes):
        def pull_messages(self, message_ids):
            return list(self._grid.pull_messages(message_ids))[1:]

    grid = grid_of(config)
    with pytest.raises(
        ParticipationError,
        match="2 of 3 SuperNodes replied to the first query within 0 s; raise fed",
    ):
        register_clients(Losing(grid, grid.get_node_ids()), 3, 12, 0.05, shares_counts=all_share)


def test_dismissed_nodes_are_told_the_run(small_home, small_config):
    config, told = small_config(), []

    def client(message, context):
        sent = message.content.config_records[protocol.CONFIG]
        told.append((sent.get(protocol.DELETE_STATE), sent.get(protocol.TOKEN)))
        return app(message, context)

    grid = grid_of(config, client=client)
    registration = register_clients(grid, 3, 12, 60.0, shares_counts=all_share)
    delete_client_state(grid, registration, "0123456789abcdef")
    assert told == [(None, None)] * 3 + [(True, "0123456789abcdef")] * 3


def test_two_nodes_of_one_partition_are_refused(small_home, small_config):
    def change(content):
        content.config_records[protocol.METADATA][protocol.PARTITION] = 0

    with pytest.raises(ConfigError, match="two SuperNodes say that they are partition 0"):
        registration_of(small_config(), changed_registration(change))


def test_other_code_on_a_client_is_refused(small_home, small_config, monkeypatch):
    import clients.app

    @dataclasses.dataclass
    class Other:
        """``fedrec.protocol`` of another checkout."""

        def __getattr__(self, name):
            return getattr(protocol, name)

        def code_fingerprint(self):
            return "0" * 64

    monkeypatch.setattr(clients.app, "protocol", Other())
    with pytest.raises(MessageError, match="runs other code than this client"):
        registration_of(small_config())
