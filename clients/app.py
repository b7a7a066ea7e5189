"""The Flower ClientApp: check each message, hand it to its handler, report failures."""

from collections.abc import Callable

import torch
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from clients.errors import failure_metadata
from clients.handlers import handle_evaluate, handle_query, handle_train
from clients.request import ConfigValues, config_of
from fedrec import protocol
from fedrec.config.config import Config
from fedrec.config.keys import read_config
from fedrec.config.user_code import client_code, client_fingerprint
from fedrec.errors import ConfigError, MessageError

app = ClientApp()

NOBODY = -1  # partition in the reply of a node that does not know its own

Handler = Callable[[Message, Config, int], RecordDict]


@app.query()
def query(message: Message, context: Context) -> Message:
    """Register this client, check its private files, or delete them when the run is over."""
    return _reply(handle_query, message, context)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the weights in the message and return the new ones."""
    return _reply(handle_train, message, context)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Rank the held-out items of this client's users with the weights in the message."""
    return _reply(handle_evaluate, message, context)


def _reply(handler: Handler, message: Message, context: Context) -> Message:
    """The reply of a handler, or the reason why there is none."""
    partition = NOBODY
    try:
        partition = _node_number(context, "partition-id")
        # Speed comes from workers: more threads than free cores make a step many times slower, and
        # another number of threads gives other sums. The centralised baseline alone asks for more.
        torch.set_num_threads(_node_number(context, "threads", 1))
        config = read_config(context.run_config)
        _check_message(config_of(message), context, config, partition)
        return Message(handler(message, config, partition), reply_to=message)
    except Exception as error:  # the server lists it and goes on with the other clients
        metadata = ConfigRecord({**failure_metadata(error), protocol.PARTITION: partition})
    return Message(RecordDict({protocol.METADATA: metadata}), reply_to=message)


def _node_number(context: Context, key: str, default: int | None = None) -> int:
    """A whole number of the configuration that the node was started with."""
    value = context.node_config.get(key, default)
    if type(value) is not int:
        raise ConfigError(
            f"{key} of this SuperNode must be a whole number, got {value!r}; start it with "
            '--node-config "partition-id=0 num-partitions=2"'
        )
    return value


def _check_message(sent: ConfigValues, context: Context, config: Config, partition: int) -> None:
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
    if sent.get(protocol.USER_CODE, own) != own:
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
