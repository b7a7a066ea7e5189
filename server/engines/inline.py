"""The inline engine, a Grid that calls the ClientApp in this process: no service, no Ray."""

import itertools
from collections.abc import Iterable, Mapping

from flwr.app import Message
from flwr.clientapp import ClientApp

from fedrec.config.config import Value
from server.engines.nodes import (
    SimulatedGrid,
    act_as_server,
    client_context,
    node_ids,
    set_message_id,
)


class InlineGrid(SimulatedGrid):
    """Grid whose clients are function calls.

    Args:
        client_app: ClientApp that handles the messages.
        num_partitions: Number of partitions.
        run_config: Flat run config for each client's context.
        threads: Threads of torch in a client; more than 1 give other bytes.
    """

    def __init__(
        self,
        client_app: ClientApp,
        num_partitions: int,
        run_config: Mapping[str, Value],
        threads: int = 1,
    ) -> None:
        act_as_server()
        self._client_app = client_app
        self._contexts = {
            node: client_context(node, num_partitions, run_config, threads)
            for node in node_ids(num_partitions)
        }
        self._numbers = itertools.count(1)
        self._replies: dict[str, Message] = {}

    def get_node_ids(self) -> list[int]:
        """Ids of all nodes."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Handle each message at once; its reply waits to be pulled."""
        ids = []
        for message in messages:
            message_id = f"inline-{next(self._numbers)}"
            set_message_id(message, message_id)
            context = self._contexts[message.metadata.dst_node_id]
            self._replies[message_id] = self._client_app(message, context)
            ids.append(message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Replies to some messages, each once."""
        known = [message_id for message_id in message_ids if message_id in self._replies]
        return [self._replies.pop(message_id) for message_id in known]
