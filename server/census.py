"""Round 0: wait for all nodes and ask each who it is and what it holds.

The server never opens an interaction. What it knows of the data, it learns here.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedrec import protocol
from fedrec.errors import (
    ConfigError,
    DataError,
    ParticipationError,
)
from server.exchange import exchange
from server.replies import raise_failure

NODE_WAIT = 120.0  # seconds until all nodes must have come up
LOOK_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Census:
    """What the nodes said of themselves.

    Attributes:
        node_of: partition -> node id.
        users: partition -> (n,) global user numbers.
        user_ids: partition -> original ids of the same users.
        targets: partition -> training targets of one pass.
        counts: (V + 1,) training events per item over all clients, or none if they are not shared.
        data_hash: of the prepared data, the same on all nodes.
        table_hash: of the frozen table, the same on all nodes.
    """

    node_of: Mapping[int, int]
    users: Mapping[int, np.ndarray]
    user_ids: Mapping[int, list[str]]
    targets: Mapping[int, int]
    counts: np.ndarray | None
    data_hash: str
    table_hash: str

    @property
    def partitions(self) -> list[int]:
        """All partition numbers in order."""
        return sorted(self.node_of)

    @property
    def partition_of(self) -> dict[int, int]:
        """Node id -> partition."""
        return {node: partition for partition, node in self.node_of.items()}

    @property
    def total_targets(self) -> int:
        """Training targets of one pass over everybody."""
        return sum(self.targets.values())

    @property
    def num_users(self) -> int:
        """Users over all partitions."""
        return sum(len(users) for users in self.users.values())


def wait_for_nodes(grid: Grid, count: int, patience: float = NODE_WAIT) -> list[int]:
    """Node ids, as soon as there are ``count``.

    Flower starts a run when the first nodes are up: a round that begins then misses the others.

    Raises:
        ConfigError: more nodes than ``count``, or fewer after ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while len(nodes := list(grid.get_node_ids())) < count:
        if time.monotonic() > deadline:
            raise ConfigError(
                f"{len(nodes)} of partition.count = {count} SuperNodes came up within "
                f"{patience:.0f} s; set partition.count={len(nodes)} or start more nodes"
            )
        time.sleep(LOOK_EVERY)
    if len(nodes) > count:
        raise ConfigError(
            f"there are {len(nodes)} SuperNodes but partition.count is {count}; "
            f'set partition.count={len(nodes)} or --federation-config "num-supernodes={count}"'
        )
    return nodes


def take_census(grid: Grid, count: int, timeout: float) -> Census:
    """Ask every node; all must answer, agree on code and data, and hold different users.

    Raises:
        FedrecError: of the kind that the clients report, or a node that does not answer.
    """
    config = ConfigRecord(
        {protocol.FORMAT_KEY: protocol.FORMAT, protocol.CODE: protocol.code_fingerprint()}
    )
    content = RecordDict({protocol.CONFIG: config})
    nodes = wait_for_nodes(grid, count)
    messages = [Message(content, node, MessageType.QUERY) for node in nodes]
    replies = exchange(grid, messages, timeout)
    for reply in replies:
        raise_failure(reply)
    if len(replies) < count:
        raise ParticipationError(
            f"{len(replies)} of {count} SuperNodes answered the first query within "
            f"{timeout:.0f} s; raise federation.round-timeout or look at the nodes' logs"
        )
    return _census(replies, count)


def _census(replies: list[Message], count: int) -> Census:
    node_of: dict[int, int] = {}
    users: dict[int, np.ndarray] = {}
    user_ids: dict[int, list[str]] = {}
    targets: dict[int, int] = {}
    counts: np.ndarray | None = None
    hashes: set[tuple[str, str]] = set()
    for reply in replies:
        facts = reply.content.config_records[protocol.FACTS]
        arrays = reply.content.array_records[protocol.CENSUS]
        partition = int(facts[protocol.PARTITION])  # type: ignore[arg-type]  # int by protocol
        if partition in node_of:
            raise ConfigError(f"two SuperNodes say that they are partition {partition}")
        node_of[partition] = reply.metadata.src_node_id
        users[partition] = arrays["users"].numpy()
        user_ids[partition] = list(facts["user-ids"])  # type: ignore[arg-type]  # list by protocol
        metrics = reply.content.metric_records[protocol.METRICS]
        targets[partition] = int(metrics[protocol.NUM_EXAMPLES])  # type: ignore[arg-type]  # as above
        if "counts" in arrays:
            own = arrays["counts"].numpy()
            counts = own if counts is None else counts + own
        hashes.add((str(facts[protocol.DATA_HASH]), str(facts[protocol.TABLE_HASH])))
    if sorted(node_of) != list(range(count)):
        raise ConfigError(f"partitions 0..{count - 1} are expected, got {sorted(node_of)}")
    if len(hashes) > 1:
        raise DataError("the SuperNodes hold different data or meanings; prepare it once for all")
    everyone = np.concatenate(list(users.values()))
    if len(np.unique(everyone)) != len(everyone):
        raise DataError("two partitions hold the same user")
    data_hash, table_hash = hashes.pop()
    return Census(node_of, users, user_ids, targets, counts, data_hash, table_hash)
