"""Flower's door to a client: messages in, messages out, nothing else."""

from collections.abc import Callable

import numpy as np
import torch
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp import ClientApp

from clients import turn
from clients.failure import failure_facts
from clients.memory import Memory
from clients.request import (
    Record,
    arrays_in,
    config_of,
    evaluate_request,
    files_to_check,
    forgotten_token,
    frequency_in,
    token_of,
    train_request,
)
from fedrec import protocol
from fedrec.config import Config
from fedrec.config_keys import read_config
from fedrec.errors import ConfigError, MessageError
from fedrec.own_code import client_code, client_fingerprint
from fedrec.workbench import open_table

app = ClientApp()

NOBODY = -1  # partition in the reply of a node that does not know its own

Answer = Callable[[Message, Config, int], RecordDict]


@app.query()
def query(message: Message, context: Context) -> Message:
    """Tell who this client is and what it holds; or, when the run is over, forget its files."""
    return _answered(_answer_query, message, context)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the weights in the message; send the new ones back."""
    return _answered(_train, message, context)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Rank the held-out items of this client's users with the weights in the message."""
    return _answered(_evaluate, message, context)


def _answered(answer: Answer, message: Message, context: Context) -> Message:
    """The answer, or the reason why there is none."""
    partition = NOBODY
    try:
        partition = _node_number(context, "partition-id")
        # Speed comes from workers: more threads than free cores make a step many times slower, and
        # another number of threads gives other sums. The central reference alone asks for more.
        torch.set_num_threads(_node_number(context, "threads", 1))
        config = read_config(context.run_config)
        _check_message(config_of(message), context, config, partition)
        return Message(answer(message, config, partition), reply_to=message)
    except Exception as error:  # the server lists it and goes on with the other clients
        facts = ConfigRecord({**failure_facts(error), protocol.PARTITION: partition})
    return Message(RecordDict({protocol.FACTS: facts}), reply_to=message)


def _node_number(context: Context, key: str, default: int | None = None) -> int:
    """A number that the node was started with."""
    value = context.node_config.get(key, default)
    if type(value) is not int:
        raise ConfigError(
            f"{key} of this SuperNode must be a whole number, got {value!r}; start it with "
            '--node-config "partition-id=0 num-partitions=2"'
        )
    return value


def _check_message(sent: Record, context: Context, config: Config, partition: int) -> None:
    if sent.get(protocol.FORMAT_KEY) != protocol.FORMAT:
        raise MessageError(
            f"the server speaks message format {sent.get(protocol.FORMAT_KEY)!r}, this client "
            f"{protocol.FORMAT}; install the same fedrec on both sides"
        )
    if sent.get(protocol.CODE) != protocol.code_fingerprint():
        raise MessageError(
            "the server runs other code than this client; a Flower service started in another "
            "checkout keeps that checkout's code: stop it and run again"
        )
    own = client_fingerprint(config)
    if sent.get(protocol.OWN_CODE, own) != own:
        raise MessageError(
            f"the server has another {' or '.join(sorted(client_code(config)))} than this client; "
            "install the same modules on both sides"
        )
    addressee = sent.get(protocol.PARTITION, partition)
    if addressee != partition:
        raise MessageError(
            f"the message is for partition {addressee!r}, this is partition {partition}; "
            "the nodes changed during the run"
        )
    partitions = context.node_config.get("num-partitions")
    if partitions != config.partition.count:
        raise MessageError(
            f"there are {partitions} SuperNodes but partition.count is {config.partition.count}; "
            f'set partition.count={partitions} or --federation-config "num-supernodes='
            f'{config.partition.count}"'
        )


def _answer_query(message: Message, config: Config, partition: int) -> RecordDict:
    sent = config_of(message)
    token, wanted = forgotten_token(sent), files_to_check(sent)
    if token is None and not wanted:
        return _census(config, partition)
    if token is not None:
        Memory(token, partition).forget()
    for number, digest in wanted.items():
        Memory(token_of(sent), partition).read(number, digest)
    return RecordDict({protocol.FACTS: ConfigRecord({protocol.PARTITION: partition})})


def _census(config: Config, partition: int) -> RecordDict:
    holding = turn.open_holding(config, partition)
    table = open_table(config, holding.dataset.catalog)
    arrays = {"users": holding.users}
    if config.federation.share_counts:
        arrays["counts"] = turn.training_events(holding)
    facts = ConfigRecord(
        {
            protocol.PARTITION: partition,
            protocol.DATA_HASH: holding.dataset.data_hash,
            protocol.TABLE_HASH: "" if table is None else table.sha256,
            "user-ids": [holding.dataset.user_ids[user] for user in holding.users],
        }
    )
    return RecordDict(
        {
            protocol.CENSUS: _array_record(arrays),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: holding.targets}),
            protocol.FACTS: facts,
        }
    )


def _train(message: Message, config: Config, partition: int) -> RecordDict:
    asked = train_request(config_of(message))
    holding = turn.open_holding(config, partition)
    done = turn.train_turn(
        config,
        holding,
        Memory(asked.past.token, partition),
        arrays_in(message, protocol.ARRAYS),
        frequency_in(message, holding.dataset.catalog.num_items),
        round=asked.round,
        accepted=asked.past.accepted,
        private=asked.past.private,
        keep=asked.keep,
        partition=partition,
        proximal_mu=asked.proximal_mu,
    )
    metrics = MetricRecord(
        {
            protocol.NUM_EXAMPLES: holding.targets,
            protocol.TRAIN_LOSS: done.fit.loss,
            protocol.TRAINED_TARGETS: done.fit.targets,
        }
    )
    facts = ConfigRecord(
        {
            protocol.PARTITION: partition,
            protocol.ROUND: asked.round,
            protocol.PRIVATE: done.private,
        }
    )
    return RecordDict(
        {
            protocol.ARRAYS: _array_record(done.weights),
            protocol.METRICS: metrics,
            protocol.FACTS: facts,
        }
    )


def _evaluate(message: Message, config: Config, partition: int) -> RecordDict:
    asked = evaluate_request(config_of(message))
    holding = turn.open_holding(config, partition)
    held_out, personal = turn.evaluate_turn(
        config,
        holding,
        Memory(asked.past.token, partition),
        arrays_in(message, protocol.ARRAYS) if asked.scorer == "model" else {},
        frequency_in(message, holding.dataset.catalog.num_items),
        scorer=asked.scorer,
        stage=asked.stage,
        protocols=asked.protocols,
        accepted=asked.past.accepted,
        private=asked.past.private,
        counts_are_shared=config.federation.share_counts,
    )
    arrays = {f"rank/{name}": ranks for name, ranks in held_out.ranks.items()}
    arrays |= {
        "users": held_out.users,
        "targets": held_out.targets,
        "candidates": held_out.num_candidates,
        "events": holding.dataset.sequences.lengths()[held_out.users],
        "gates": held_out.gates,
    }
    if personal is not None:
        arrays["personal"] = personal
    return RecordDict(
        {
            protocol.RANKS: _array_record(arrays),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: len(held_out.users)}),
            protocol.FACTS: ConfigRecord(
                {protocol.PARTITION: partition, protocol.ROUND: asked.round}
            ),
        }
    )


def _array_record(arrays: dict[str, np.ndarray]) -> ArrayRecord:
    return ArrayRecord({key: Array(np.asarray(value, order="C")) for key, value in arrays.items()})
