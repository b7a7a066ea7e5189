"""Registration before round 0: each client declares its partition, its users and its counts.

The server never reads an interaction: all that it knows of the data is declared here.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
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
from server.messages.failures import raise_dead_worker, raise_failure

NODE_WAIT = 120.0  # seconds until all nodes must have come up
POLL_EVERY = 0.2  # seconds


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Declarations of all clients.

    Attributes:
        node_of: Partition -> node id.
        users: Partition -> (n,) global user numbers.
        user_ids: Partition -> original ids of the same users.
        targets: Partition -> number of training targets of one pass.
        user_targets: Partition -> (n,) training targets of each of its users, where each is a
            client; else empty: the length of a history stays on the device.
        counts: (V + 1,) Training events per item over all clients, or none if they are not shared.
        data_hash: Hash of the prepared data, the same on all nodes.
        table_hash: Hash of the frozen embedding table, the same on all nodes.
        views_hash: Hash of the views of the user's own, the same on all nodes; empty for none.
    """

    node_of: Mapping[int, int]
    users: Mapping[int, np.ndarray]
    user_ids: Mapping[int, list[str]]
    targets: Mapping[int, int]
    counts: np.ndarray | None
    data_hash: str
    table_hash: str
    user_targets: Mapping[int, np.ndarray] = field(default_factory=dict)
    views_hash: str = ""

    @property
    def partitions(self) -> list[int]:
        """Partition numbers, ascending."""
        return sorted(self.node_of)

    @property
    def partition_of(self) -> dict[int, int]:
        """Map from node id to partition."""
        return {node: partition for partition, node in self.node_of.items()}

    @property
    def total_targets(self) -> int:
        """Training targets of one pass over all users."""
        return sum(self.targets.values())

    def item_counts(self, num_items: int) -> np.ndarray:
        """Training events (V + 1,) per item over all clients, zeros if they are not shared."""
        if self.counts is None:
            return np.zeros(num_items + 1, dtype=np.int64)
        return self.counts

    @property
    def num_users(self) -> int:
        """Number of users over all partitions."""
        return sum(len(users) for users in self.users.values())


def wait_for_nodes(grid: Grid, count: int, timeout: float = NODE_WAIT) -> list[int]:
    """Wait for ``count`` nodes; return their ids.

    Flower starts a run when the first nodes are up: a round that begins then misses the others.

    Raises:
        ConfigError: There are more nodes than ``count``, or fewer after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while len(nodes := list(grid.get_node_ids())) < count:
        if time.monotonic() > deadline:
            raise ConfigError(
                f"{len(nodes)} of partition.count = {count} SuperNodes came up within "
                f"{timeout:.0f} s; set partition.count={len(nodes)} or start more nodes"
            )
        time.sleep(POLL_EVERY)
    if len(nodes) > count:
        raise ConfigError(
            f"there are {len(nodes)} SuperNodes but partition.count is {count}; "
            f'set partition.count={len(nodes)} or --federation-config "num-supernodes={count}"'
        )
    return nodes


def register_clients(
    grid: Grid, count: int, most_targets: int | None, timeout: float, watch: Watch = watch_nothing
) -> Registration:
    """Register every client: all must reply, agree on code and data, and hold different users.

    Args:
        grid: Grid that carries the messages.
        count: Number of nodes.
        most_targets: Upper bound of a user's training targets in one pass, or none if whole
            histories are read.
        timeout: Seconds to wait for replies.
        watch: Callback, called while the server waits.

    Raises:
        FedrecError: A client reports an error, or a node does not reply.
    """
    config = ConfigRecord(
        {protocol.FORMAT_KEY: protocol.FORMAT, protocol.CODE: protocol.code_fingerprint()}
    )
    content = RecordDict({protocol.CONFIG: config})
    nodes = wait_for_nodes(grid, count)
    messages = [Message(content, node, MessageType.QUERY) for node in nodes]
    replies = exchange(grid, messages, timeout, watch)
    raise_dead_worker(replies)
    for reply in replies:
        raise_failure(reply)
    if len(replies) < count:
        raise ParticipationError(
            f"{len(replies)} of {count} SuperNodes replied to the first query within "
            f"{timeout:.0f} s; raise federation.round-timeout or look at the nodes' logs"
        )
    return _registration(replies, count, most_targets)


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """Declaration of one client: the fields of ``Registration``, for one partition."""

    partition: int
    users: np.ndarray
    user_ids: list[str]
    targets: int
    user_targets: np.ndarray | None
    counts: np.ndarray | None
    hashes: tuple[str, str]
    views_hash: str


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
    kinds = {
        (one.hashes, None if one.counts is None else len(one.counts)) for one in declared.values()
    }
    if len(kinds) > 1:
        raise DataError(
            "the SuperNodes hold different data or semantic embeddings; prepare them once for all"
        )
    if len({one.views_hash for one in declared.values()}) > 1:
        raise ConfigError(
            "a view of your own in model.views returns different arrays on the SuperNodes; make it "
            "return the same array everywhere"
        )
    for one in declared.values():
        if one.counts is not None and one.targets > one.counts.sum():
            raise _unreadable(f"it has {one.targets} training targets, fewer events in its counts")
    users = np.concatenate([one.users for one in declared.values()])
    if len(np.unique(users)) != len(users):
        raise DataError("two partitions hold the same user")
    counts = [one.counts for one in declared.values() if one.counts is not None]
    data_hash, table_hash = declared[0].hashes
    return Registration(
        node_of=node_of,
        users={p: one.users for p, one in declared.items()},
        user_ids={p: one.user_ids for p, one in declared.items()},
        targets={p: one.targets for p, one in declared.items()},
        counts=sum(counts[1:], counts[0]) if counts else None,
        data_hash=data_hash,
        table_hash=table_hash,
        views_hash=declared[0].views_hash,
        user_targets={
            p: one.user_targets for p, one in declared.items() if one.user_targets is not None
        },
    )


def _declared(reply: Message, most_targets: int | None) -> _Declared:
    try:
        metadata = reply.content.config_records[protocol.METADATA]
        arrays = reply.content.array_records[protocol.REGISTRATION]
        metrics = reply.content.metric_records[protocol.METRICS]
        one = _Declared(
            partition=metadata[protocol.PARTITION],  # type: ignore[arg-type]  # checked below
            users=_array(arrays[protocol.USER_NUMBERS]),
            user_ids=metadata[protocol.USER_IDS],  # type: ignore[arg-type]  # as above
            targets=metrics[protocol.NUM_EXAMPLES],  # type: ignore[arg-type]  # as above
            user_targets=_optional(arrays, protocol.USER_TARGETS),
            counts=_optional(arrays, protocol.ITEM_COUNTS),
            hashes=(str(metadata[protocol.DATA_HASH]), str(metadata[protocol.TABLE_HASH])),
            views_hash=str(metadata[protocol.VIEWS_HASH]),
        )
    except (KeyError, TypeError) as error:
        raise _unreadable(f"{type(error).__name__}: {error}") from None
    if name := next(_invalid(one, most_targets), ""):
        raise _unreadable(f"{name} cannot be valid")
    return one


def _invalid(one: _Declared, most_targets: int | None) -> Iterator[str]:
    """Invalid parts of a declaration; later checks may rely on earlier ones."""
    if type(one.partition) is not int:
        yield "its partition"
    if not _are_counts(one.users):
        yield "its users"
    ids = one.user_ids
    if not isinstance(ids, list) or [type(user) for user in ids] != [str] * one.users.size:
        yield "its users' ids"
    if one.counts is not None and not _are_counts(one.counts):
        yield "its counts"
    # They are the weight of its update in every mean.
    most = math.inf if most_targets is None else one.users.size * most_targets
    if type(one.targets) is not int or not 0 <= one.targets <= most:
        yield "its training targets"
    each = one.user_targets
    if each is not None and not (
        _are_counts(each) and each.size == one.users.size and int(each.sum()) == one.targets
    ):
        yield "its users' training targets"


def _optional(arrays: ArrayRecord, name: str) -> np.ndarray | None:
    return _array(arrays[name]) if name in arrays else None


def _array(sent: Array) -> np.ndarray:
    found = array_in(sent)
    if found is None:
        raise TypeError("an array that cannot be read")
    return found


def _are_counts(array: np.ndarray) -> bool:
    """Whether an array holds integers of 0 or more in one dimension."""
    return array.ndim == 1 and array.dtype.kind == "i" and bool((array >= 0).all())


def _unreadable(why: str) -> MessageError:
    return MessageError(f"the registration of a SuperNode cannot be used: {why}")
