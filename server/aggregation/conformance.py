"""``fedrec.testing.check_strategy``: whether a strategy can aggregate, and go on after a resume."""

import contextlib
import copy
import logging
from collections.abc import Callable, Iterator

import numpy as np
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import Strategy

from fedrec import protocol
from fedrec.errors import FedrecError
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_record
from fedrec.testing.conformance import ConformanceError, check_finite, demand, have_same_bytes
from server.aggregation.instances import own_instance
from server.aggregation.strategies import make_strategy, min_replies
from server.aggregation.strategy_state import restore, snapshot
from server.engines.inline import InlineGrid

CLIENTS, ROUNDS = 7, 3


def check_strategy(strategy: "str | Strategy | Callable[[], Strategy]", options: str = "") -> None:
    """Check a strategy over three rounds of seven clients with random updates.

    Args:
        strategy: A value of ``strategy.name``, a Flower strategy, or what makes one.
        options: A value of ``strategy.options``, for a name.

    Raises:
        ConformanceError: The first thing that does not hold, in one line.
    """

    def make() -> Strategy:
        try:
            if isinstance(strategy, str):
                return make_strategy(strategy, options)
            if not (isinstance(strategy, Strategy) or callable(strategy)):
                raise ConformanceError(
                    "strategy must be a name, a Flower strategy or what makes one, got "
                    f"{strategy!r}"
                )
            return own_instance(strategy if isinstance(strategy, Strategy) else strategy())
        except FedrecError as error:
            raise ConformanceError(str(error)) from error

    with _quiet():
        _check(make)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Flower's strategies log two lines a round."""
    log = logging.getLogger("flwr")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def _check(make: Callable[[], Strategy]) -> None:
    clients = max(CLIENTS, min_replies(make()))
    whole = _rounds(make(), _start(), range(1, ROUNDS + 1), clients)
    again = _rounds(make(), _start(), range(1, ROUNDS + 1), clients)
    demand(
        have_same_bytes(whole, again),
        "two strategies that were made alike aggregate the same replies to other weights",
    )
    first = make()
    weights = _rounds(first, _start(), range(1, ROUNDS), clients)
    try:
        saved = snapshot(first)
        resumed = make()
        restore(resumed, copy.deepcopy(saved))
    except FedrecError as error:
        raise ConformanceError(str(error)) from error
    weights = _rounds(resumed, weights, range(ROUNDS, ROUNDS + 1), clients)
    demand(
        have_same_bytes(whole, weights),
        "restored from a checkpoint, the strategy goes on to other weights: something that it "
        "remembers is in no attribute; give it state_dict and load_state_dict",
    )


def _start() -> NamedArrays:
    return {"w": np.linspace(-1, 1, 6).reshape(2, 3), "bias": np.zeros(4), "scale": np.array(0.5)}


def _rounds(strategy: Strategy, weights: NamedArrays, numbers: range, clients: int) -> NamedArrays:
    for number in numbers:
        weights = _round(strategy, weights, number, clients)
    return weights


def _round(strategy: Strategy, weights: NamedArrays, number: int, clients: int) -> NamedArrays:
    """The weights after a round in which every client moved by a random update."""
    rng = np.random.default_rng(number)
    grid = InlineGrid(ClientApp(), clients, {})
    drafts = list(strategy.configure_train(number, array_record(weights), ConfigRecord(), grid))
    addressed = sorted(draft.metadata.dst_node_id for draft in drafts)
    demand(
        addressed == sorted(grid.get_node_ids()),
        f"configure_train made messages for {len(set(addressed))} of {clients} nodes; which "
        "clients take part is the round's to say",
    )
    replies: list[Message] = []
    for draft in sorted(drafts, key=lambda draft: draft.metadata.dst_node_id):
        demand(
            protocol.CONFIG in draft.content.config_records,
            f"configure_train made a message without the record {protocol.CONFIG!r}",
        )
        moved = {name: a + 0.1 * rng.normal(size=a.shape) for name, a in weights.items()}
        metrics: dict[str, int | float | list[int] | list[float]] = {
            protocol.NUM_EXAMPLES: int(rng.integers(1, 9)),
            protocol.TRAIN_LOSS: float(rng.uniform(0.5, 2)),
        }
        content = RecordDict(
            {protocol.ARRAYS: array_record(moved), protocol.METRICS: MetricRecord(metrics)}
        )
        draft.metadata.__dict__["_message_id"] = str(len(replies))
        replies.append(Message(content, reply_to=draft))
    try:
        combined, _ = strategy.aggregate_train(number, replies)
    except Exception as error:
        raise ConformanceError(
            f"aggregate_train failed on {clients} replies with arrays {sorted(weights)}, one of "
            f"them of no axes: {type(error).__name__}: {error}"
        ) from error
    demand(combined is not None, f"aggregate_train made no weights of {clients} replies")
    assert combined is not None
    found = {name: combined[name].numpy() for name in combined}
    shapes = {name: array.shape for name, array in weights.items()}
    demand(
        {name: array.shape for name, array in found.items()} == shapes,
        f"aggregate_train gave back {sorted(found)} with other names or shapes than {shapes}",
    )
    check_finite(found, "aggregated weights")
    return {name: found[name].astype(np.float64) for name in weights}
