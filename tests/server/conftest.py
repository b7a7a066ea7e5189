"""The small federation without its run folder: registration, strategy, weights to start from."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)

import clients.model
import server.evaluation.messages
import server.rounds
from clients.app import app
from fedrec import protocol
from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.data.sequences import Sequences
from fedrec.data.splits import training_counts
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.factory.table import open_table
from fedrec.models.recommender import Recommender
from fedrec.records import array_record
from server.aggregation.strategies import make_strategy
from server.engines.inline import InlineGrid
from server.engines.nodes import FIRST_NODE
from server.messages.registration import register_clients
from server.setup import initial_weights, make_context
from server.state.context import ServerContext
from server.state.server_state import ServerState

TOKEN = "0123456789abcdef"


@pytest.fixture
def small_federation(small_home, small_config) -> Callable[..., tuple[ServerContext, ServerState]]:
    """``small_federation(changes, client=..., wrap=...)`` up to the first round."""

    def make(
        changes: dict[str, Any] | None = None,
        client: Any = app,
        wrap: Callable[[Any], Any] = lambda grid: grid,
    ) -> tuple[ServerContext, ServerState]:
        config = small_config(changes)
        grid = wrap(InlineGrid(client, config.partition.count, flatten(config)))
        registration = register_clients(
            grid,
            config.partition.count,
            config.most_targets,
            60.0,
            shares_counts=config.federation.shares_counts,
        )
        catalog = open_prepared(config).dataset.catalog
        frequency = registration.item_counts(catalog.num_items)
        model = make_model(config, catalog, open_table(config, catalog), frequency)
        context = make_context(
            grid,
            config,
            make_strategy(config.strategy.name, config.strategy.options),
            registration,
            model,
            frequency=frequency,
            num_users=registration.num_users,
            token=TOKEN,
        )
        return context, ServerState(initial_weights(config, model))

    return make


@dataclass(frozen=True)
class Precision:
    """In what the real round computes.

    Attributes:
        name: float32, as it ships, or float64.
        atol: how far two ways to the same weights may lie apart, for weights of the order of 1.
    """

    name: str
    atol: float

    def model(self, model: Recommender) -> Recommender:
        """The model in this precision."""
        return model.double() if self.name == "float64" else model


@pytest.fixture(params=["float32", "float64"])
def precision(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Precision]:
    """The real round in float32, and in float64 by changing two places and nothing else.

    A run holds float32 in two places: the clients' model and the one cast when the server sends.
    In float64 the clients' model is turned to double after it is built, and ``cast_weights``
    copies; sampling, messages, checks, sums and strategies are those of every run. Validation asks
    for the dtype that was sent, so a client that still computed in float32 would be excluded.
    """
    clients.model._built.cache_clear()  # keyed by the config, which knows nothing of precision
    if request.param == "float64":

        def copied(weights: dict[str, np.ndarray], kind: str = "") -> dict[str, np.ndarray]:
            return {name: array.copy() for name, array in weights.items()}

        def doubled(*args: Any) -> Recommender:
            return make_model(*args).double()

        for module in (server.rounds, server.evaluation.messages):
            monkeypatch.setattr(module, "cast_weights", copied)
        monkeypatch.setattr(clients.model, "make_model", doubled)
    yield Precision(request.param, {"float32": 1e-6, "float64": 1e-12}[request.param])
    clients.model._built.cache_clear()


@pytest.fixture
def opened() -> Callable[[Config], tuple[int, Sequences, Recommender]]:
    """``opened(config)``: number of items, training parts and the initial model, in one place."""

    def look(config: Config) -> tuple[int, Sequences, Recommender]:
        prepared = open_prepared(config)
        dataset, training = prepared.dataset, prepared.full_training
        counts = training_counts(dataset.sequences, dataset.catalog.num_items)
        if config.federation.why_no_counts():
            counts = np.zeros_like(counts)
        model = make_model(config, dataset.catalog, open_table(config, dataset.catalog), counts)
        return dataset.catalog.num_items, training, model

    return look


@pytest.fixture
def own_events(tmp_path: Path) -> Callable[[Mapping[str, tuple[str, Sequence[int]]]], dict]:
    """``own_events({user: (home, items)})`` writes a table of events; returns the keys to read it.

    Users and items are numbered as they come, and ``partition.by = "home"`` gives every home a
    partition.
    """

    def write(users: Mapping[str, tuple[str, Sequence[int]]]) -> dict[str, Any]:
        rows = [
            f"{user},i{item},{time},{home},Item {item},{('War', 'Drama', 'Crime')[item % 3]}"
            for user, (home, items) in users.items()
            for time, item in enumerate(items)
        ]
        path = tmp_path / f"events-of-{len(users)}.csv"
        path.write_text("\n".join(["user,item,time,home,title,genres", *rows, ""]))
        return {
            "data.source": str(path),
            "data.min-item-events": 1,
            "data.attribute-columns": "home",
            "partition.by": "home",
            "partition.count": len({home for home, _ in users.values()}),
        }

    return write


@pytest.fixture(scope="session")
def replies_of() -> Callable[[Sequence[tuple[Mapping[str, np.ndarray], int]]], list[Message]]:
    """``replies_of([(weights, num_examples), ...])`` as a strategy gets them."""
    InlineGrid(app, 0, {})  # Flower's messages ask who the running task is

    def make(clients: Sequence[tuple[Mapping[str, np.ndarray], int]]) -> list[Message]:
        replies = []
        for number, (weights, examples) in enumerate(clients):
            question = Message(RecordDict(), FIRST_NODE + number, MessageType.TRAIN)
            question.metadata.__dict__["_message_id"] = str(number)
            metrics = MetricRecord({protocol.NUM_EXAMPLES: examples, protocol.TRAIN_LOSS: 1.0})
            records = {protocol.ARRAYS: array_record(weights), protocol.METRICS: metrics}
            replies.append(Message(RecordDict(records), reply_to=question))
        return replies

    return make


Change = Callable[[Message, Message], Message | None]  # reply, message -> another reply, or changed


class Tampered:
    """The ClientApp, with replies of one kind changed on their way.

    Args:
        change: of a reply to a message; by partition, or one for all of ``partitions``.
        kind: of the messages whose replies are changed.
        partitions: whose.
        app: the ClientApp behind.

    Attributes:
        honest: partition -> contents of replies of this kind that were left as they are.
        received: partitions that got a message of this kind, in order.
    """

    def __init__(
        self,
        change: Change | Mapping[int, Change],
        kind: str = MessageType.TRAIN,
        partitions: Sequence[int] = (1,),
        app: Callable[[Message, Context], Message] = app,
    ) -> None:
        each = change if isinstance(change, Mapping) else dict.fromkeys(partitions, change)
        self.changes, self.kind, self.app = each, kind, app
        self.honest: dict[int, RecordDict] = {}
        self.received: list[int] = []

    def __call__(self, message: Message, context: Context) -> Message:
        reply = self.app(message, context)
        if message.metadata.message_type != self.kind:
            return reply
        partition = int(context.node_config["partition-id"])
        self.received.append(partition)
        if partition in self.changes:
            return self.changes[partition](reply, message) or reply
        self.honest[partition] = copy_of(reply.content)  # the server writes into its messages
        return reply


def copy_of(content: RecordDict) -> RecordDict:
    """The same records, apart from those they were made of."""
    records: dict[str, Any] = {}
    for name, record in content.items():
        if isinstance(record, ArrayRecord):
            records[name] = ArrayRecord(
                {k: Array(a.dtype, a.shape, a.stype, a.data) for k, a in record.items()}
            )
        else:
            records[name] = type(record)(dict(record))
    return RecordDict(records)


@pytest.fixture(scope="session")
def tampered() -> type[Tampered]:
    """The class: ``tampered(change, partitions=(0, 3))``."""
    return Tampered


@pytest.fixture(scope="session")
def remembered() -> Callable[[Message, Context], Message]:
    """The ClientApp, which works out each different task once: client tasks are pure functions.

    Only for a first round: no private file is written the second time.
    """
    answers: dict[str, RecordDict] = {}

    def answer(message: Message, context: Context) -> Message:
        key = hashlib.sha256(repr(sorted(context.run_config.items())).encode())
        key.update(message.metadata.message_type.encode())
        key.update(str(context.node_config["partition-id"]).encode())
        for name, record in sorted(message.content.items()):
            if isinstance(record, ConfigRecord):
                key.update(repr((name, sorted(record.items()))).encode())
            else:
                for each, array in record.items():
                    key.update(f"{name} {each} {array.dtype} {array.shape}".encode() + array.data)
        known = key.hexdigest()
        if known not in answers:
            answers[known] = copy_of(app(message, context).content)
        return Message(copy_of(answers[known]), reply_to=message)

    return answer
