"""Registration before round 0: wait for all nodes and ask each who it is and what it holds.

The server never opens a history. What it knows of the data, it learns here.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Array, ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedrec import protocol
from fedrec.errors import (
    ConfigError,
    DataError,
    MessageError,
    ParticipationError,
)
from fedrec.records import array_in
from server.messages.exchange import Watch, exchange, watch_nothing
from server.replies.outcome import raise_failure, refuse_dead_workers

NODE_WAIT = 120.0  # seconds until all nodes must have come up
LOOK_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Registration:
    """What the clients declare: who they are and what they hold.

    Attributes:
        node_of: partition -> node id.
        users: partition -> (n,) global user numbers.
        user_ids: partition -> original ids of the same users.
        targets: partition -> training targets of one pass.
        user_targets: partition -> (n,) the same of each of its users, where each is a client; else
            empty: how long a history is stays on the device.
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
    user_targets: Mapping[int, np.ndarray] = field(default_factory=dict)

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

    def item_counts(self, num_items: int) -> np.ndarray:
        """(V + 1,) training events per item over all clients, zeros if they are not shared."""
        if self.counts is None:
            return np.zeros(num_items + 1, dtype=np.int64)
        return self.counts

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


def register_clients(
    grid: Grid, count: int, most_targets: int | None, timeout: float, watch: Watch = watch_nothing
) -> Registration:
    """Register every client: all must answer, agree on code and data, and hold different users.

    Args:
        grid: carries the messages.
        count: nodes that must be there.
        most_targets: of a user in one pass, or none if whole histories are read.
        timeout: seconds for the answers.
        watch: looks on.

    Raises:
        FedrecError: of the kind that the clients report, or a node that does not answer.
    """
    config = ConfigRecord(
        {protocol.FORMAT_KEY: protocol.FORMAT, protocol.CODE: protocol.code_fingerprint()}
    )
    content = RecordDict({protocol.CONFIG: config})
    nodes = wait_for_nodes(grid, count)
    messages = [Message(content, node, MessageType.QUERY) for node in nodes]
    replies = exchange(grid, messages, timeout, watch)
    refuse_dead_workers(replies)
    for reply in replies:
        raise_failure(reply)
    if len(replies) < count:
        raise ParticipationError(
            f"{len(replies)} of {count} SuperNodes answered the first query within "
            f"{timeout:.0f} s; raise federation.round-timeout or look at the nodes' logs"
        )
    return _registration(replies, count, most_targets)


@dataclass(frozen=True)
class _Declared:
    """What one client declares: the fields of ``Registration``, for one partition."""

    partition: int
    users: np.ndarray
    user_ids: list[str]
    targets: int
    user_targets: np.ndarray | None
    counts: np.ndarray | None
    hashes: tuple[str, str]


def _registration(replies: list[Message], count: int, most_targets: int | None) -> Registration:
    declared: dict[int, _Declared] = {}
    node_of: dict[int, int] = {}
    for reply in replies:
        one = _declared(reply, most_targets)
        if one.partition in declared:
            raise ConfigError(f"two SuperNodes say that they are partition {one.partition}")
        declared[one.partition], node_of[one.partition] = one, reply.metadata.src_node_id
    if sorted(declared) != list(range(count)):
        raise ConfigError(f"partitions 0..{count - 1} are expected, got {sorted(declared)}")
    # One catalogue, too: counts of another length belong to other data.
    alike = {
        (one.hashes, None if one.counts is None else len(one.counts)) for one in declared.values()
    }
    if len(alike) > 1:
        raise DataError("the SuperNodes hold different data or meanings; prepare it once for all")
    for one in declared.values():
        if one.counts is not None and one.targets > one.counts.sum():
            raise _unreadable(f"it has {one.targets} training targets, fewer events in its counts")
    everyone = np.concatenate([one.users for one in declared.values()])
    if len(np.unique(everyone)) != len(everyone):
        raise DataError("two partitions hold the same user")
    counts = [one.counts for one in declared.values() if one.counts is not None]
    data_hash, table_hash = declared[0].hashes
    return Registration(
        node_of,
        {p: one.users for p, one in declared.items()},
        {p: one.user_ids for p, one in declared.items()},
        {p: one.targets for p, one in declared.items()},
        sum(counts[1:], counts[0]) if counts else None,
        data_hash,
        table_hash,
        {p: one.user_targets for p, one in declared.items() if one.user_targets is not None},
    )


def _declared(reply: Message, most_targets: int | None) -> _Declared:
    try:
        facts = reply.content.config_records[protocol.FACTS]
        arrays = reply.content.array_records[protocol.REGISTRATION]
        metrics = reply.content.metric_records[protocol.METRICS]
        one = _Declared(
            facts[protocol.PARTITION],  # type: ignore[arg-type]  # checked below
            _array(arrays[protocol.USER_NUMBERS]),
            facts[protocol.USER_IDS],  # type: ignore[arg-type]  # as above
            metrics[protocol.NUM_EXAMPLES],  # type: ignore[arg-type]  # as above
            _array(arrays[protocol.USER_TARGETS]) if protocol.USER_TARGETS in arrays else None,
            _array(arrays[protocol.ITEM_COUNTS]) if protocol.ITEM_COUNTS in arrays else None,
            (str(facts[protocol.DATA_HASH]), str(facts[protocol.TABLE_HASH])),
        )
    except (KeyError, TypeError) as error:
        raise _unreadable(f"{type(error).__name__}: {error}") from None
    if name := next(_wrong(one, most_targets), ""):
        raise _unreadable(f"{name} are not what they should be")
    return one


def _wrong(one: _Declared, most_targets: int | None) -> Iterator[str]:
    """What of an answer cannot be; what comes later may rest on what comes first."""
    if type(one.partition) is not int:
        yield "its partition"
    if not _are_counts(one.users):
        yield "its users"
    ids = one.user_ids
    if not isinstance(ids, list) or [type(user) for user in ids] != [str] * one.users.size:
        yield "its users' ids"
    if one.counts is not None and not _are_counts(one.counts):
        yield "its counts"
    # They weigh its update in every mean.
    most = math.inf if most_targets is None else one.users.size * most_targets
    if type(one.targets) is not int or not 0 <= one.targets <= most:
        yield "its training targets"
    each = one.user_targets
    if each is not None and not (
        _are_counts(each) and each.size == one.users.size and int(each.sum()) == one.targets
    ):
        yield "its users' training targets"


def _array(sent: Array) -> np.ndarray:
    found = array_in(sent)
    if found is None:
        raise TypeError("an array that is none")
    return found


def _are_counts(array: np.ndarray) -> bool:
    """Whether these are whole numbers of 0 or more in a row."""
    return array.ndim == 1 and array.dtype.kind == "i" and bool((array >= 0).all())


def _unreadable(why: str) -> MessageError:
    return MessageError(f"the answer of a SuperNode to the first query cannot be used: {why}")
