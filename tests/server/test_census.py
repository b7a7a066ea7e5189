import dataclasses

import numpy as np
import pytest
from flwr.app import Array

from clients.app import app
from fedrec import protocol
from fedrec.config_keys import flatten
from fedrec.data.splits import training_counts
from fedrec.errors import ConfigError, DataError, MessageError
from fedrec.workbench import open_data, prepare_data
from server.census import take_census, wait_for_nodes
from server.inline import InlineGrid


def grid_of(config, count=None, client=app):
    return InlineGrid(client, count or config.partition.count, flatten(config))


def census_of(config, client=app):
    return take_census(grid_of(config, client=client), config.partition.count, 60.0)


def changed_census(change, partition=1):
    def client(message, context):
        reply = app(message, context)
        if context.node_config["partition-id"] == partition:
            change(reply.content)
        return reply

    return client


def test_the_census_adds_up(small_home, small_config):
    config = small_config()
    census = census_of(config)
    dataset, training = open_data(prepare_data(config))
    assert census.partitions == [0, 1, 2]
    everyone = np.concatenate([census.users[partition] for partition in census.partitions])
    assert sorted(everyone) == list(range(60))
    assert census.num_users == 60
    # one target less than training events, at most model.max-length
    assert census.total_targets == np.minimum(training.lengths() - 1, 12).sum()
    np.testing.assert_array_equal(
        census.counts, training_counts(dataset.sequences, dataset.catalog.num_items)
    )
    for partition, users in census.users.items():
        assert census.user_ids[partition] == [dataset.user_ids[user] for user in users]
    assert census.data_hash == dataset.data_hash


def test_counts_stay_on_the_clients_if_they_are_not_shared(small_home, small_config):
    assert census_of(small_config({"federation.share-counts": False})).counts is None


def test_fault_41_too_many_nodes_are_a_mistake_in_the_config(small_home, small_config):
    config = small_config()
    with pytest.raises(ConfigError, match=r"4 SuperNodes but partition.count is 3; set") as raised:
        take_census(grid_of(config, count=4), 3, 60.0)
    assert raised.value.exit_code == 2


def test_too_few_nodes_are_waited_for_and_then_named(small_home, small_config):
    with pytest.raises(ConfigError, match=r"2 of partition.count = 3 SuperNodes came up"):
        wait_for_nodes(grid_of(small_config(), count=2), 3, patience=0.0)


def test_a_clients_error_keeps_its_kind(small_home, small_config):
    config = small_config({"data.source": "nothing-here"})
    with pytest.raises(DataError, match="nothing-here") as raised:
        census_of(config)
    assert raised.value.exit_code == 4
    assert "\n" not in str(raised.value)


def test_fault_28_more_partitions_than_users_are_refused(small_home, small_config):
    with pytest.raises(ConfigError, match=r"partition.count is 61, but 60 users") as raised:
        census_of(small_config({"partition.count": 61}))
    assert raised.value.exit_code == 2


def test_nodes_with_different_data_are_refused(small_home, small_config):
    def change(content):
        content.config_records[protocol.FACTS][protocol.DATA_HASH] = "0" * 64

    with pytest.raises(DataError, match="hold different data"):
        census_of(small_config(), changed_census(change))


def test_a_user_in_two_partitions_is_refused(small_home, small_config):
    def change(content):
        users = content.array_records[protocol.CENSUS]["users"].numpy().copy()
        other = 1 - min(users[0], 1) if users[0] in (0, 1) else 0
        users[0] = other if other not in users else users[1]
        content.array_records[protocol.CENSUS]["users"] = Array(users)

    with pytest.raises(DataError, match="two partitions hold the same user"):
        census_of(small_config(), changed_census(change))


def test_two_nodes_of_one_partition_are_refused(small_home, small_config):
    def change(content):
        content.config_records[protocol.FACTS][protocol.PARTITION] = 0

    with pytest.raises(ConfigError, match="two SuperNodes say that they are partition 0"):
        census_of(small_config(), changed_census(change))


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
        census_of(small_config())
