"""Messages of a hostile client: every part of every reply, damaged in every way that it allows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from fedrec import protocol

REGISTRATION, TRAIN, EVALUATE, CLEAN_UP = "registration", "train", "evaluate", "clean-up"
MESSAGES = (REGISTRATION, TRAIN, EVALUATE, CLEAN_UP)
UNITS = ("partition", "user")
MEGABYTES = 500  # of a record that nobody asked for

# reply, message, replies of the same kind before -> another reply, or None for the changed one
Change = Callable[[Message, Message, list[Message]], Message | None]
Damage = Callable[[np.ndarray], np.ndarray]

# Of an array, whichever it is.
ARRAYS: dict[str, Damage] = {
    "NaN": lambda a: _first(a.astype(np.float64), np.nan),
    "infinite": lambda a: _first(a.astype(_float(a)), np.inf),
    "negative": lambda a: _first(a.astype(_signed(a)), -3),
    "huge": lambda a: _first(a, np.finfo(a.dtype).max if a.dtype.kind == "f" else 2**62),
    "all huge": lambda a: np.full_like(a, 1e30 if a.dtype.kind == "f" else 2**62),
    "zeros": np.zeros_like,
    "all the same": lambda a: np.full_like(a, a.flat[0] if a.size else 0),
    "in reverse": lambda a: a[::-1].copy() if a.ndim else a,
    "as float64": lambda a: a.astype(np.float64),
    "as float16": lambda a: a.astype(np.float16),
    "as int8": lambda a: a.astype(np.int8),
    "as uint64": lambda a: a.astype(np.uint64),
    "as bool": lambda a: a.astype(np.bool_),
    "as complex": lambda a: a.astype(np.complex64),
    "as words": lambda a: a.astype("U20"),
    "as dates": lambda a: a.astype(np.int64).astype("M8[s]"),
    "in the other byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "one longer": lambda a: np.concatenate([a, a[:1]]),
    "one shorter": lambda a: a[:-1],
    "empty": lambda a: a[:0],
    "a single number": lambda a: np.asarray(a.flat[0] if a.size else 0),
    "with one more axis": lambda a: a[None],
    "with 40 axes in place of 1": lambda a: a.reshape((1,) * 30 + a.shape),
    "plus one": lambda a: a + 1 if a.dtype != np.bool_ else ~a,
    "minus one": lambda a: a - 1 if a.dtype != np.bool_ else ~a,
    "twice a value": lambda a: _first(a, a.flat[-1] if a.size else 0),
}
RAW: dict[str, Callable[[Array], Array]] = {
    "cut in half": lambda a: Array(a.dtype, a.shape, a.stype, a.data[: len(a.data) // 2]),
    "no bytes": lambda a: Array(a.dtype, a.shape, a.stype, b""),
    "no array": lambda a: Array(a.dtype, a.shape, a.stype, b"no array at all"),
    "a pickle": lambda a: Array(a.dtype, a.shape, "pickle", b"cos\nsystem\n(S'true'\ntR."),
    "another stype": lambda a: Array(a.dtype, a.shape, "torch.Tensor", a.data),
    "a false shape": lambda a: Array(a.dtype, (2**40,), a.stype, a.data),
    "a negative shape": lambda a: Array(a.dtype, (-1,), a.stype, a.data),
    "a false dtype": lambda a: Array("float128x", a.shape, a.stype, a.data),
}
NUMBERS: dict[str, Any] = {
    "negative": -3, "0": 0, "2^62": 2**62, "half": 0.5, "NaN": float("nan"),
    "infinite": float("inf"), "1e308": 1e308, "a list": [1, 2],
    "an empty list": [], "a list of floats": [0.5],
}  # fmt: skip
VALUES: dict[str, Any] = {
    "a word": "x", "empty": "", "negative": -3, "0": 0, "2^62": 2**62, "true": True, "a half": 0.5,
    "NaN": float("nan"), "bytes": b"\xff\x00", "a list of words": ["a", "b"], "a list": [1],
    "an empty list": [], "a NUL": "\0", "a traceback": "Traceback (most recent call last):\n  boom",
    "a megabyte": "x" * 10**6, "an escape": "\x1b[2J\x1b]0;gone\a", "64 letters": "f" * 64,
}  # fmt: skip


@dataclass(frozen=True)
class Hostile:
    """One thing that a hostile client does.

    Attributes:
        unit: Who is a client, ``federation.unit``.
        message: Message whose replies it damages, one of ``MESSAGES``.
        name: What it does.
        change: The damage.
    """

    unit: str
    message: str
    name: str
    change: Change


def _float(array: np.ndarray) -> Any:
    return array.dtype if array.dtype.kind == "f" else np.float64


def _signed(array: np.ndarray) -> Any:
    return np.int64 if array.dtype.kind in "bu" else array.dtype


def _first(array: np.ndarray, value: Any) -> np.ndarray:
    found = np.array(array)
    if found.size:
        found.flat[0] = value
    return found


def hostile_messages(unit: str, honest: dict[str, RecordDict]) -> Iterator[Hostile]:
    """All damages of all messages.

    Args:
        unit: Who is a client.
        honest: Message -> content of an honest reply to it, whose parts are damaged one by one.
    """
    for message, content in honest.items():
        if not _is_record(content):
            continue
        for name, change in (
            *_whole_replies(content),
            *_arrays(content),
            *_metrics(content),
            *_facts(content),
            *_lies(unit, message),
        ):
            yield Hostile(unit, message, name, change)


def _is_record(content: RecordDict) -> bool:
    return bool(len(content))


def _arrays(content: RecordDict) -> Iterator[tuple[str, Change]]:
    for record, arrays in content.array_records.items():
        names = list(arrays)
        for name in names[:1] if record == protocol.ARRAYS else names:
            for words, damage in ARRAYS.items():
                yield f"{record}/{name}: {words}", _array_change(record, name, damage)
            for words, raw in RAW.items():
                yield f"{record}/{name}: {words}", _raw_change(record, name, raw)
            yield f"{record}/{name}: missing", _pop_change(record, name)
            yield f"{record}/{name}: of another name", _rename_change(record, name)
        yield f"{record}: an array more", _raw_change(record, names[0], lambda a: a, "more")
        yield f"{record}: 1,000 arrays more", _many_change(record)


def _metrics(content: RecordDict) -> Iterator[tuple[str, Change]]:
    for record, metrics in content.metric_records.items():
        for key in list(metrics):
            for words, value in NUMBERS.items():
                yield f"{record}/{key}: {words}", _value_change(record, key, value)
            yield f"{record}/{key}: missing", _pop_change(record, key)
        yield f"{record}: one more", _value_change(record, "more", 1)


def _facts(content: RecordDict) -> Iterator[tuple[str, Change]]:
    for record, facts in content.config_records.items():
        for key in list(facts):
            for words, value in VALUES.items():
                yield f"{record}/{key}: {words}", _value_change(record, key, value)
            yield f"{record}/{key}: missing", _pop_change(record, key)
        yield f"{record}: a megabyte more", _value_change(record, "more", "x" * 10**6)
        for code in (1, 2, 3, 4, 5, 70, -1, 2**62):
            yield f"{record}: an error of exit code {code}", _error_change(record, code)
        for words, value in VALUES.items():
            yield (
                f"{record}: an error that is {words}",
                _value_change(record, protocol.ERROR, value),
            )


def _whole_replies(content: RecordDict) -> Iterator[tuple[str, Change]]:
    for record in list(content):
        yield f"{record}: missing", _without(record)
        for kind in (ArrayRecord, MetricRecord, ConfigRecord):
            yield f"{record}: an empty {kind.__name__}", _replaced(record, kind)
    yield "nothing", lambda reply, message, before: Message(RecordDict(), reply_to=message)
    yield "an error", _flower_error("the node went away")
    yield "an error without a reason", _flower_error("")
    yield "an error of control characters", _flower_error("\x1b[2J\0\n\nTraceback")
    yield "an error of a megabyte", _flower_error("x" * 10**6)
    yield f"{MEGABYTES} MB more of facts", _more(lambda: ConfigRecord({"x": _bulk()}))
    yield (
        f"{MEGABYTES} MB more of an array",
        _more(
            lambda: ArrayRecord({"x": Array("uint8", (MEGABYTES << 20,), "numpy.ndarray", _bulk())})
        ),
    )
    yield "a record more", _more(lambda: MetricRecord({"x": 1.0}))
    yield "1,000 records more", _thousand_records
    yield "the reply before again", _replay


def _bulk() -> bytes:
    return bytes(MEGABYTES << 20)


def _replay(reply: Message, message: Message, before: list[Message]) -> Message | None:
    return Message(before[0].content, reply_to=message) if before else None


def _thousand_records(reply: Message, message: Message, before: list[Message]) -> None:
    for number in range(1000):
        reply.content[f"more-{number}"] = MetricRecord({"x": 1.0})


def _more(make: Callable[[], Any]) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        reply.content["more"] = make()

    return change


def _flower_error(reason: str) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> Message:
        return Message(Error(code=0, reason=reason), reply_to=message)

    return change


def _without(record: str) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        reply.content.pop(record)

    return change


def _replaced(record: str, kind: type) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        reply.content.pop(record)
        reply.content[record] = kind()

    return change


def _array_change(record: str, name: str, damage: Damage) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        arrays = reply.content.array_records[record]
        if name in arrays:
            with np.errstate(all="ignore"):
                arrays[name] = Array(np.asarray(damage(arrays[name].numpy())))

    return change


def _raw_change(record: str, name: str, raw: Callable[[Array], Array], to: str = "") -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        arrays = reply.content.array_records[record]
        if name in arrays:
            arrays[to or name] = raw(arrays[name])

    return change


def _many_change(record: str) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        for number in range(1000):
            reply.content.array_records[record][f"more-{number}"] = Array(np.zeros(2, np.float32))

    return change


def _pop_change(record: str, key: str) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        reply.content[record].pop(key, None)

    return change


def _rename_change(record: str, name: str) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        arrays = reply.content.array_records[record]
        if name in arrays:
            arrays["other"] = arrays.pop(name)

    return change


def _value_change(record: str, key: str, value: Any) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        reply.content[record][key] = value

    return change


def _error_change(record: str, code: int) -> Change:
    def change(reply: Message, message: Message, before: list[Message]) -> None:
        facts = reply.content.config_records[record]
        facts[protocol.ERROR], facts[protocol.EXIT_CODE] = "no disk left", code
        facts[protocol.TRACEBACK] = "Traceback (most recent call last):\n  boom"

    return change


def _lies(unit: str, message: str) -> Iterator[tuple[str, Change]]:
    """What fits in form: other users, other counts, other directions, other ranks."""
    from experiments.fuzz.client_lies import EVALUATE_LIES, REGISTRATION_LIES, TRAIN_LIES

    if message == REGISTRATION:
        yield from REGISTRATION_LIES.items()
    elif message == TRAIN:
        yield from TRAIN_LIES.items()
    elif message == EVALUATE:
        yield from EVALUATE_LIES.items()
