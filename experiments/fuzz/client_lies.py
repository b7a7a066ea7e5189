"""Lies of a hostile client in the right form: whose users, which counts, how far, which rank."""

from collections.abc import Callable
from typing import Any

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol

Change = Callable[[Message, Message, list[Message]], Message | None]


def _registered(
    change: Callable[[dict[str, np.ndarray], dict[str, Any]], None],
) -> Change:
    """Change the arrays and the facts of a registration, keeping ids and targets in step."""

    def apply(reply: Message, message: Message, before: list[Message]) -> None:
        record = reply.content.array_records.get(protocol.REGISTRATION)
        if record is None:
            return
        facts = reply.content.config_records[protocol.METADATA]
        metrics = reply.content.metric_records[protocol.METRICS]
        arrays = {name: array.numpy().copy() for name, array in record.items()}
        told: dict[str, Any] = dict(facts) | {protocol.NUM_EXAMPLES: metrics[protocol.NUM_EXAMPLES]}
        change(arrays, told)
        metrics[protocol.NUM_EXAMPLES] = told.pop(protocol.NUM_EXAMPLES)
        for name, array in arrays.items():
            record[name] = Array(array)
        for key, value in told.items():
            facts[key] = value

    return apply


def _users(make: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
        users = make(arrays[protocol.USER_NUMBERS]).astype(np.int64)
        arrays[protocol.USER_NUMBERS] = users
        if protocol.USER_IDS in told:
            told[protocol.USER_IDS] = [str(user) for user in users]
        if protocol.USER_TARGETS in arrays:
            each = np.resize(arrays[protocol.USER_TARGETS], len(users))
            arrays[protocol.USER_TARGETS] = each
            told[protocol.NUM_EXAMPLES] = int(each.sum())

    return _registered(change)


def _counts(make: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
        if protocol.ITEM_COUNTS in arrays:
            arrays[protocol.ITEM_COUNTS] = make(arrays[protocol.ITEM_COUNTS]).astype(np.int64)

    return _registered(change)


def _told(key: str, value: Any) -> Change:
    def change(arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
        told[key] = value(told[key]) if callable(value) else value

    return _registered(change)


def _each_target(make: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
        if protocol.USER_TARGETS in arrays:
            each = make(arrays[protocol.USER_TARGETS]).astype(np.int64)
            arrays[protocol.USER_TARGETS] = each
            told[protocol.NUM_EXAMPLES] = int(each.sum())
        else:
            told[protocol.NUM_EXAMPLES] = int(make(np.array([told[protocol.NUM_EXAMPLES]]))[0])

    return _registered(change)


def _spread(counts: np.ndarray) -> np.ndarray:
    """As many events, all of the last item."""
    found = np.zeros_like(counts)
    found[-1] = counts.sum()
    return found


REGISTRATION_LIES: dict[str, Change] = {
    "5,000 invented users": _users(lambda u: np.concatenate([u, 10_000 + np.arange(5000)])),
    "a user out of range": _users(lambda u: np.concatenate([u[:-1], [2**31 - 2]])),
    "users of 2^62": _users(lambda u: u + 2**62),
    "one user of another client": _users(lambda u: _with_strangers(u, 1)),
    "a user of each other client": _users(lambda u: _with_strangers(u, 200)),
    "no users": _users(lambda u: u[:0]),
    "a single user": _users(lambda u: u[:1]),
    "half of its users": _users(lambda u: u[: len(u) // 2]),
    "users in reverse": _users(lambda u: u[::-1]),
    "a user twice": _users(lambda u: np.concatenate([u, u[:1]])),
    "another data hash": _told(protocol.DATA_HASH, "0" * 64),
    "another table hash": _told(protocol.TABLE_HASH, "0" * 64),
    "another views hash": _told(protocol.VIEWS_HASH, "0" * 64),
    "the number of another partition": _told(protocol.PARTITION, 0),
    "a partition that there is not": _told(protocol.PARTITION, 7),
    "a partition below 0": _told(protocol.PARTITION, -1),
    "a partition of 2^62": _told(protocol.PARTITION, 2**62),
    "ids of a kilobyte": _told(protocol.USER_IDS, lambda ids: ["x" * 1000 for _ in ids]),
    "ids that are formulas": _told(protocol.USER_IDS, lambda ids: ["=1+1\n\0\x1b[2J" for _ in ids]),
    "ids with half a character": _told(protocol.USER_IDS, lambda ids: ["a\ufffd" for _ in ids]),
    "events of the padding row": _counts(lambda c: c + (np.arange(len(c)) == 0)),
    "2^62 events of one item": _counts(lambda c: c + 2**62 * (np.arange(len(c)) == 3)),
    "2^62 events of many items": _counts(lambda c: np.where(np.arange(len(c)) > 0, 2**62, 0)),
    "counts of all events of the data": _counts(lambda c: np.where(np.arange(len(c)) > 0, 10, 0)),
    "all events of one item": _counts(_spread),
    "no events": _counts(np.zeros_like),
    "counts of more items": _counts(lambda c: np.concatenate([c, c])),
    "counts of fewer items": _counts(lambda c: c[: len(c) // 2]),
    "targets of 2^62": _each_target(lambda t: np.full_like(t, 2**62)),
    "targets that wrap around": _each_target(lambda t: np.full_like(t, 2**62 + 1)),
    "ten times its targets": _each_target(lambda t: 10 * t),
    "no targets": _each_target(np.zeros_like),
    "negative targets": _each_target(lambda t: -t),
}


def _with_strangers(users: np.ndarray, number: int) -> np.ndarray:
    """Its users and so many of 0..number that are not its own."""
    others = np.setdiff1d(np.arange(max(number, 3)) % 60, users)
    return np.concatenate([users, others[:number]])


def _moved(factor: float) -> Change:
    """The update, so many times as long."""

    def change(reply: Message, message: Message, before: list[Message]) -> None:
        sent = message.content.array_records.get(protocol.ARRAYS)
        found = reply.content.array_records.get(protocol.ARRAYS)
        if sent is None or found is None:
            return
        is_sum = protocol.USERS in reply.content
        for name, array in list(found.items()):
            own, start = array.numpy(), sent[name].numpy().astype(np.float64)
            moved = factor * own if is_sum else start + factor * (own - start)
            with np.errstate(all="ignore"):
                found[name] = Array(moved.astype(own.dtype))

    return change


def _noise(scale: float) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        draw = np.random.default_rng(0)
        for name, array in list(reply.content.array_records[protocol.ARRAYS].items()):
            own = array.numpy()
            noise = scale * draw.standard_normal(own.shape)
            reply.content.array_records[protocol.ARRAYS][name] = Array(
                (own + noise).astype(own.dtype)
            )

    return change


def _put(record: str, name: str, make: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        arrays = reply.content.array_records.get(record)
        if arrays is not None and name in arrays:
            arrays[name] = Array(np.asarray(make(arrays[name].numpy().copy())))

    return change


def _swap_rows(reply: Message, message: Message, before: list[Message]) -> None:
    """Weights of one name under another of the same shape."""
    arrays = reply.content.array_records[protocol.ARRAYS]
    shapes: dict[Any, str] = {}
    for name, array in list(arrays.items()):
        other = shapes.setdefault(array.shape, name)
        if other != name:
            arrays[name], arrays[other] = arrays[other], arrays[name]
            return


TRAIN_LIES: dict[str, Change] = {
    "its update -50 times": _moved(-50),
    "its update -1 times": _moved(-1),
    "its update 1.0001 times": _moved(1.0001),
    "its update 50 times": _moved(50),
    "its update 1,000 times": _moved(1e3),
    "its update 1e30 times": _moved(1e30),
    "no update at all": _moved(0),
    "a little noise": _noise(1e-4),
    "a lot of noise": _noise(1e3),
    "weights of another name": _swap_rows,
    "another of its users' losses": _put(protocol.USERS, protocol.LOSSES, lambda a: 0 * a),
    "norms of 0": _put(protocol.USERS, protocol.NORMS, lambda a: 0 * a),
    "norms of 1e30": _put(protocol.USERS, protocol.NORMS, lambda a: a + 1e30),
    "trained on nothing": _put(protocol.USERS, protocol.TRAINED, lambda a: 0 * a),
    "weights of rows of 1e6": _put(protocol.USERS, protocol.ROW_WEIGHTS, lambda a: 1e6 + 0 * a),
    "row weights moved": _put(protocol.USERS, protocol.ROW_WEIGHTS, lambda a: np.roll(a, 1)),
}


def _ranks(make: Callable[[np.ndarray], np.ndarray]) -> Change:
    return _put(protocol.RANKS, protocol.rank_array("full"), make)


EVALUATE_LIES: dict[str, Change] = {
    "rank 1 for all": _ranks(np.ones_like),
    "the last rank for all": _ranks(lambda a: np.full_like(a, 30.0)),
    "half ranks": _ranks(lambda a: a + 0.5),
    "ranks beyond the candidates": _ranks(lambda a: np.full_like(a, 1e5)),
    "no candidates": _put(protocol.RANKS, protocol.CANDIDATES, lambda a: 0 * a),
    "the whole catalogue as candidates": _put(protocol.RANKS, protocol.CANDIDATES, lambda a: a + 5),
    "2^62 candidates": _put(protocol.RANKS, protocol.CANDIDATES, lambda a: a + 2**62),
    "another history's length": _put(protocol.RANKS, protocol.EVENTS, lambda a: a + 1),
    "a target of another user": _put(
        protocol.RANKS, protocol.HELD_OUT_ITEMS, lambda a: np.roll(a, 1)
    ),
    "gates of 0": _put(protocol.RANKS, protocol.GATES, lambda a: 0 * a),
    "gates above 1": _put(protocol.RANKS, protocol.GATES, lambda a: 3 * a),
    "gates of one view": _put(protocol.RANKS, protocol.GATES, lambda a: np.flip(a, -1).copy()),
}
