"""Replies in which anything may be anything: a round uses or drops them, and never crashes."""

import contextlib
import io
import json

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedrec.config.keys import flatten
from fedrec.errors import FedrecError
from server.engines.inline import InlineGrid
from server.evaluation.evaluate import evaluate_round
from server.round_line import empty_round
from server.rounds import train_round
from server.state.context import ServerContext
from server.state.server_state import ServerState

COUNT, TAMPERED = 3, 1
EXAMPLES = 60

whole = st.integers(-(2**63), 2**63 - 1)
real = st.floats(allow_nan=True, allow_infinity=True)
number = whole | real | st.lists(whole, max_size=3) | st.lists(real, max_size=3)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
value = number | words | st.binary(max_size=8) | st.booleans() | st.lists(words, max_size=3)
dtypes = st.sampled_from(
    [
        "bool",
        "int8",
        "uint64",
        "int64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "U3",
        "S2",
        "M8[s]",
    ]
)
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
header = st.fixed_dictionaries(
    {
        "descr": st.sampled_from(["<f4", "<f8", "|O", "V9999999999", "<U9", "nonsense", "<f4,<i4"]),
        "fortran_order": st.booleans(),
        "shape": st.lists(st.integers(-3, 2**62), max_size=3).map(tuple),
    }
).map(repr) | st.text("{}()[]'\":,0123456789 -", max_size=60)


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def headed(text: str) -> bytes:
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + bytes(16)


def numbers_in(array: Array | None) -> np.ndarray | None:
    """What the array was, unless an earlier change damaged it."""
    try:
        return None if array is None else array.numpy()
    except Exception:
        return None


@st.composite
def arrays(draw: st.DrawFn, old: Array | None = None) -> Array:
    """An array of any kind, or bytes that are none; or what ``old`` was, damaged."""
    kinds, was = ["numbers", "objects", "headed", "bytes"], numbers_in(old)
    if was is not None and was.dtype.kind in "iuf":
        kinds += ["stype", "cut", "cast", "times"]
    match draw(st.sampled_from(kinds)):
        case "numbers":
            data = saved(np.zeros(draw(shapes), draw(dtypes)))
        case "objects":
            data = saved(np.full(draw(shapes), None))
        case "headed":
            data = headed(draw(header))
        case "bytes":
            data = draw(st.binary(max_size=40) | st.just(b"PK\x03\x04") | st.just(b"\x93NUMPY"))
        case "stype":
            return Array(old.dtype, old.shape, draw(words), old.data)
        case "cut":
            data = old.data[: draw(st.integers(0, len(old.data)))]
        case "cast":
            data = saved(cast(was, draw(dtypes)))
        case _:
            factor = np.float64(draw(st.sampled_from([-1, 0, 0.5, 1e3, 1e30])))
            data = saved(cast(was.astype(np.float64) * factor, was.dtype))
    return Array("float32", draw(shapes), "numpy.ndarray", data)


@np.errstate(all="ignore")
def cast(array: np.ndarray, dtype: str | np.dtype) -> np.ndarray:
    """The array in another dtype, whatever becomes of its numbers."""
    kind = np.dtype(dtype).kind
    return array.astype(np.int64).astype(dtype) if kind == "M" else array.astype(dtype)


records = st.one_of(
    st.dictionaries(words, arrays(), max_size=3).map(ArrayRecord),
    st.dictionaries(words, number, max_size=3).map(MetricRecord),
    st.dictionaries(words, value, max_size=3).map(ConfigRecord),
)


def damaged(draw: st.DrawFn, reply: Message, message: Message) -> Message:
    """The reply after one to three changes."""
    for _ in range(draw(st.integers(1, 3))):
        content = reply.content
        name = draw(st.sampled_from(sorted(content)) if content else words)
        record = content.get(name)
        what = draw(st.sampled_from(["error", "drop", "swap", "add", *["inside"] * 6]))
        if what == "error":
            return Message(Error(draw(st.integers(0, 300)), draw(words)), reply_to=message)
        if what == "drop" or (what == "inside" and not record):
            content.pop(name, None)
        elif what == "swap":
            content.pop(name, None)
            content[name] = draw(records)
        elif what == "add":
            content[draw(words)] = draw(records)
        else:
            key = draw(st.sampled_from(sorted(record)) | words)
            old = record.pop(key, None)
            if isinstance(record, ArrayRecord):
                record[key] = draw(arrays(old))
            elif isinstance(record, MetricRecord):
                record[key] = draw(number)
            elif draw(st.booleans()):
                record[key] = draw(value)
    return reply


@pytest.fixture
def tampering(small_federation, tampered, remembered):
    """``tampering(kind, partitions, check)``: call with many federations of tampering clients."""
    federation, start = small_federation({"model.blocks": 1}, client=remembered)
    flat = flatten(federation.config)

    def go(kind, partitions, check):
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def one(data):
            def change(reply, message):
                return damaged(data.draw, reply, message)

            client = tampered(change, kind=kind, partitions=partitions, app=remembered)
            grid = InlineGrid(client, COUNT, flat)
            parts = vars(federation) | {"grid": grid}
            check(ServerContext(**parts), ServerState(dict(start.weights)))

        one()

    return go


def check_line(line):
    json.dumps(line, allow_nan=False)
    for one in line["excluded"]:
        assert one["reason"].isprintable()
        assert len(one["reason"]) < 700


def test_a_round_of_training_uses_a_reply_or_leaves_it_out(tampering):
    ends = []

    def check(federation, state):
        line = train_round(federation, state, 1)
        check_line(line)
        assert {0, 2} <= set(line["aggregated"])
        assert set(line["aggregated"]) | {one["partition"] for one in line["excluded"]} == {0, 1, 2}
        assert all(np.isfinite(array).all() for array in state.weights.values())
        ends.append(TAMPERED in line["aggregated"])

    tampering("train", (TAMPERED,), check)
    assert ends.count(False) > EXAMPLES / 2  # the changes do harm


def test_an_evaluation_uses_ranks_or_leaves_them_out(tampering):
    ends = []

    def check(federation, state):
        line = evaluate_round(federation, state, empty_round(0))
        check_line(line)
        assert 0 < line["validation"]["NDCG@10"] < 1
        ends.append([one["partition"] for one in line["excluded"]])

    tampering("evaluate", (TAMPERED,), check)
    assert ends.count([TAMPERED]) > EXAMPLES / 2
    assert all(end in ([], [TAMPERED]) for end in ends)


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_where_all_replies_are_damaged_the_round_ends_in_one_line(tampering, kind):
    def check(federation, state):
        with contextlib.suppress(FedrecError):
            if kind == "train":
                check_line(train_round(federation, state, 1))
            else:
                check_line(evaluate_round(federation, state, empty_round(0)))

    tampering(kind, range(COUNT), check)
