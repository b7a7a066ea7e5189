"""Flower's door to a client: messages in, messages out, nothing else."""

import traceback
from collections.abc import Callable
from typing import cast

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
from clients.memory import Memory
from fedrec import protocol
from fedrec.config import Config
from fedrec.config_keys import read_config
from fedrec.data.splits import Stage
from fedrec.errors import FedrecError, MessageError
from fedrec.workbench import open_table

app = ClientApp()

Answer = Callable[[Message, Config, int], RecordDict]


@app.query()
def query(message: Message, context: Context) -> Message:
    """Tell which users this client holds, how much they train on, and by what code and data."""
    return _answered(_census, message, context)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the weights in the message; send the new ones back."""
    return _answered(_train, message, context)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Rank the held-out items of this client's users with the weights in the message."""
    return _answered(_evaluate, message, context)


def _answered(answer: Answer, message: Message, context: Context) -> Message:
    """The answer, or the reason why there is none: Flower would send a bare exception."""
    # Speed comes from workers: more threads than free cores make a step many times slower, and
    # another number of threads gives other sums. The central reference alone asks for more.
    torch.set_num_threads(int(context.node_config.get("threads", 1)))
    partition = int(context.node_config.get("partition-id", -1))
    try:
        config = read_config(context.run_config)
        _check_message(message, context, config)
        return Message(answer(message, config, partition), reply_to=message)
    except FedrecError as error:
        facts = ConfigRecord({"error": str(error), "exit-code": error.exit_code})
    except Exception as error:  # the server lists it and goes on with the other clients
        facts = ConfigRecord(
            {
                "error": f"{type(error).__name__}: {error}",
                "exit-code": 1,
                "traceback": traceback.format_exc(),
            }
        )
    facts[protocol.PARTITION] = partition
    return Message(RecordDict({protocol.FACTS: facts}), reply_to=message)


def _check_message(message: Message, context: Context, config: Config) -> None:
    sent = message.content.config_records[protocol.CONFIG]
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
    partitions = context.node_config.get("num-partitions")
    if partitions != config.partition.count:
        raise MessageError(
            f"there are {partitions} SuperNodes but partition.count is {config.partition.count}; "
            f'set partition.count={partitions} or --federation-config "num-supernodes='
            f'{config.partition.count}"'
        )


def _census(message: Message, config: Config, partition: int) -> RecordDict:
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
    sent = message.content.config_records[protocol.CONFIG]
    holding = turn.open_holding(config, partition)
    number = int(cast(int, sent[protocol.ROUND]))
    weights, done = turn.train_turn(
        config,
        holding,
        Memory(str(sent[protocol.TOKEN]), partition),
        _arrays(message, protocol.ARRAYS),
        _arrays(message, protocol.FREQUENCY)[protocol.FREQUENCY],
        round=number,
        accepted=int(cast(int, sent[protocol.LAST_ACCEPTED])),
        partition=partition,
        best=int(cast(int, sent.get(protocol.BEST_ACCEPTED, 0))),
        proximal_mu=float(cast(float, sent.get(protocol.PROXIMAL_MU, 0.0))),
    )
    metrics = MetricRecord(
        {
            protocol.NUM_EXAMPLES: holding.targets,
            protocol.TRAIN_LOSS: done.loss,
            protocol.TRAINED_TARGETS: done.targets,
        }
    )
    facts = ConfigRecord({protocol.PARTITION: partition, protocol.ROUND: number})
    return RecordDict(
        {
            protocol.ARRAYS: _array_record(weights),
            protocol.METRICS: metrics,
            protocol.FACTS: facts,
        }
    )


def _evaluate(message: Message, config: Config, partition: int) -> RecordDict:
    sent = message.content.config_records[protocol.CONFIG]
    holding = turn.open_holding(config, partition)
    memory = Memory(str(sent[protocol.TOKEN]), partition)
    is_model = sent[protocol.SCORER] == "model"
    held_out, personal = turn.evaluate_turn(
        config,
        holding,
        memory,
        _arrays(message, protocol.ARRAYS) if is_model else {},
        _arrays(message, protocol.FREQUENCY)[protocol.FREQUENCY],
        scorer=str(sent[protocol.SCORER]),
        stage=cast(Stage, sent[protocol.STAGE]),
        protocols=tuple(str(sent[protocol.PROTOCOLS]).split(",")),
        accepted=int(cast(int, sent[protocol.LAST_ACCEPTED])),
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
    if sent.get(protocol.IS_LAST, False):
        memory.forget()
    return RecordDict(
        {
            protocol.RANKS: _array_record(arrays),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: len(held_out.users)}),
            protocol.FACTS: ConfigRecord(
                {protocol.PARTITION: partition, protocol.ROUND: sent[protocol.ROUND]}
            ),
        }
    )


def _arrays(message: Message, name: str) -> dict[str, np.ndarray]:
    return {key: value.numpy() for key, value in message.content.array_records[name].items()}


def _array_record(arrays: dict[str, np.ndarray]) -> ArrayRecord:
    return ArrayRecord({key: Array(np.asarray(value, order="C")) for key, value in arrays.items()})
