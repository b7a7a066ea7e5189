"""Registration before round 0: each client declares its partition, its users and its counts.

The server never reads an interaction: all that it knows of the data is declared here.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedrec import protocol
from fedrec.errors import ConfigError, FedrecError, MessageError, ParticipationError
from server.messages.conflicts import contradicting
from server.messages.declarations import Declaration, impossible, read_declaration, unusable
from server.messages.exchange import Watch, exchange, watch_nothing
from server.messages.failures import failure, raise_dead_worker, raise_failure
from server.sampling.excluded import STRAGGLED
from server.sampling.population import required_replies

T = TypeVar("T")

LARGEST = 2**31 - 1  # of a whole number that nothing else bounds
NOBODY: Mapping[int, str] = MappingProxyType({})
NODE_WAIT = 120.0  # seconds until all nodes must have come up
POLL_EVERY = 0.2  # seconds


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Declarations of all clients.

    Attributes:
        node_of: Partition -> node id.
        users: Partition -> (n,) global user numbers.
        user_ids: Partition -> original ids of the same users, of those that share them.
        targets: Partition -> number of training targets of one pass.
        user_targets: Partition -> (n,) training targets of each of its users, where each is a
            client; else empty: the length of a history stays on the device.
        num_events: Events of the data, training and held-out ones, as far as they are known.
        excluded: Partition -> why its declaration cannot be used; it takes no part in the run.
        item_counts_of: Partition -> (V + 1,) training events per item, of those that share them.
        data_hash: Hash of the prepared data, the same on all nodes.
        table_hash: Hash of the frozen embedding table, the same on all nodes.
        views_hash: Hash of the views of the user's own, the same on all nodes; empty for none.
    """

    node_of: Mapping[int, int]
    users: Mapping[int, np.ndarray]
    user_ids: Mapping[int, list[str]]
    targets: Mapping[int, int]
    item_counts_of: Mapping[int, np.ndarray]
    data_hash: str
    table_hash: str
    user_targets: Mapping[int, np.ndarray] = field(default_factory=dict)
    views_hash: str = ""
    num_events: int = LARGEST
    excluded: Mapping[int, str] = field(default_factory=dict)

    @property
    def counts(self) -> np.ndarray | None:
        """Training events (V + 1,) per item over the clients that share them, or none."""
        found = [counts for _, counts in sorted(self.item_counts_of.items())]
        return sum(found[1:], found[0]) if found else None

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
        """Training events (V + 1,) per item over the clients that share them, or zeros."""
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
    grid: Grid,
    count: int,
    most_targets: int | None,
    timeout: float,
    watch: Watch = watch_nothing,
    *,
    shares_counts: Callable[[int], bool],
    min_participation: float = 1.0,
    recorded: Mapping[int, str] = NOBODY,
) -> Registration:
    """Register every client: all must reply, agree on code and data, and hold different users.

    A client whose declaration cannot be used is excluded from the run, if enough others are left.

    Args:
        grid: Grid that carries the messages.
        count: Number of nodes.
        most_targets: Upper bound of a user's training targets in one pass, or none if whole
            histories are read.
        timeout: Seconds to wait for replies.
        watch: Callback, called while the server waits.
        shares_counts: Whether a client of so many users tells counts per item and original ids.
        min_participation: Share of the clients that must have registered.
        recorded: Partition -> reason, of those that were excluded in a replayed run.

    Raises:
        FedrecError: A client reports an error, a node does not reply, or too few declarations can
            be used.
    """
    config = ConfigRecord(
        {protocol.FORMAT_KEY: protocol.FORMAT, protocol.CODE: protocol.code_fingerprint()}
    )
    content = RecordDict({protocol.CONFIG: config})
    nodes = wait_for_nodes(grid, count)
    messages = [Message(content, node, MessageType.QUERY) for node in nodes]
    replies = exchange(grid, messages, timeout, watch)
    raise_dead_worker(replies)
    required = required_replies(min_participation, count)
    usable = [reply for reply in replies if failure(reply) is None]
    if len(usable) < required:
        for reply in replies:
            raise_failure(reply)
        raise ParticipationError(
            f"{len(replies)} of {count} SuperNodes replied to the first query within "
            f"{timeout:.0f} s; raise federation.round-timeout or look at the nodes' logs"
        )

    def read(reply: Message) -> Declaration:
        return read_declaration(reply, most_targets, shares_counts)

    return _registration(replies, nodes, read, recorded, required)


def without_impossible(
    registration: Registration,
    manifest: Mapping[str, Any],
    num_items: int,
    min_participation: float = 1.0,
) -> Registration:
    """Exclude the clients whose declarations the data contradict; note the number of events.

    Args:
        registration: Registration of the clients.
        manifest: Manifest of the prepared data.
        num_items: V.
        min_participation: Share of the clients that must be left.

    Raises:
        MessageError: All clients must take part, and one has declared what cannot be.
        ParticipationError: Too few are left.
    """
    counts = registration.item_counts_of
    declared = {p: (users, counts.get(p)) for p, users in registration.users.items()}
    found = {p: _too_many_targets(n, manifest) for p, n in registration.targets.items()}
    found |= impossible(declared, manifest, num_items)
    reasons = {p: unusable(why) for p, why in found.items() if why}
    total = len(registration.partitions) + len(registration.excluded)
    left = len(registration.partitions) - len(reasons)
    errors = {p: MessageError(why) for p, why in registration.excluded.items()} | reasons
    _check_number(left, required_replies(min_participation, total), total, errors)

    def kept(values: Mapping[int, T]) -> dict[int, T]:
        return {partition: one for partition, one in values.items() if partition not in reasons}

    return dataclasses.replace(
        registration,
        node_of=kept(registration.node_of),
        users=kept(registration.users),
        user_ids=kept(registration.user_ids),
        targets=kept(registration.targets),
        item_counts_of=kept(counts),
        user_targets=kept(registration.user_targets),
        num_events=int(manifest["events"]),
        excluded={p: str(error) for p, error in errors.items()},
    )


def _too_many_targets(targets: int, manifest: Mapping[str, Any]) -> str:
    """Why so many training targets cannot be; "" if they can. They weigh the client's updates."""
    if targets <= (events := int(manifest["events"])):
        return ""
    return f"declares {targets} training targets, but the data hold {events} events"


def _registration(
    replies: list[Message],
    nodes: list[int],
    read: Callable[[Message], Declaration],
    recorded: Mapping[int, str],
    required: int,
) -> Registration:
    count = len(nodes)
    claims: dict[int, list[tuple[int, Declaration]]] = {}
    broken: dict[int, FedrecError] = {node: ParticipationError(STRAGGLED) for node in nodes}
    for reply in sorted(replies, key=lambda one: one.metadata.src_node_id):
        node = reply.metadata.src_node_id
        try:
            one = _declaration(reply, read, count)
        except FedrecError as error:
            broken[node] = error
            continue
        broken.pop(node, None)
        claims.setdefault(one.partition, []).append((node, one))
    excluded: dict[int, FedrecError] = {
        p: ConfigError(f"two SuperNodes say that they are partition {p}")
        for p, those in claims.items()
        if len(those) > 1
    }
    # A node that gave no number of its own has one of those that are missing.
    missing = [p for p in range(count) if p not in claims]
    excluded |= dict(zip(missing, [*broken.values(), *excluded.values()], strict=False))
    excluded |= {p: MessageError(reason) for p, reason in recorded.items() if p in claims}
    believed = {p: claims[p][0][1] for p in sorted(claims) if p not in excluded}
    excluded |= contradicting(believed)
    declared = {p: one for p, one in believed.items() if p not in excluded}
    _check_number(len(declared), required, count, excluded)
    [(data_hash, table_hash)] = {one.hashes for one in declared.values()}
    return Registration(
        node_of={p: claims[p][0][0] for p in declared},
        users={p: one.users for p, one in declared.items()},
        user_ids={p: one.user_ids for p, one in declared.items() if one.user_ids is not None},
        targets={p: one.targets for p, one in declared.items()},
        item_counts_of={p: one.counts for p, one in declared.items() if one.counts is not None},
        data_hash=data_hash,
        table_hash=table_hash,
        views_hash=next(iter(declared.values())).views_hash,
        user_targets={
            p: one.user_targets for p, one in declared.items() if one.user_targets is not None
        },
        excluded={p: str(error) for p, error in excluded.items()},
    )


def _declaration(reply: Message, read: Callable[[Message], Declaration], count: int) -> Declaration:
    """Read a client's declaration, or raise why it has none that can be used."""
    raise_failure(reply)
    one = read(reply)
    if not 0 <= one.partition < count:
        raise unusable(f"it says that it is partition {one.partition}, expected 0 to {count - 1}")
    return one


def _check_number(
    left: int, required: int, count: int, excluded: Mapping[int, FedrecError]
) -> None:
    """Refuse too few registered clients, with the first reason."""
    if left >= max(required, 1) or not excluded:
        return
    first = excluded[min(excluded)]
    if required == count:
        raise first
    raise ParticipationError(
        f"{left} of {count} clients registered, {required} are needed; first reason: {first}"
    )
