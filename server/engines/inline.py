"""A Grid that calls the ClientApp in this process: real tracebacks, no service, no Ray."""

import itertools
from collections.abc import Iterable, Mapping

from flwr.app import Message
from flwr.clientapp import ClientApp

from fedrec.config.config import Value
from server.engines.nodes import OwnGrid, be_the_server, client_context, node_ids, set_identity


class InlineGrid(OwnGrid):
    """Clients as function calls.

    Args:
        client_app: the ClientApp whose verbs are called.
        num_partitions: how many clients there are.
        run_config: flat run config that each client's context carries.
        threads: that a client's torch may use; more than 1 gives other bytes.
    """

    def __init__(
        self,
        client_app: ClientApp,
        num_partitions: int,
        run_config: Mapping[str, Value],
        threads: int = 1,
    ) -> None:
        be_the_server()
        self._client_app = client_app
        self._contexts = {
            node: client_context(node, num_partitions, run_config, threads)
            for node in node_ids(num_partitions)
        }
        self._numbers = itertools.count(1)
        self._replies: dict[str, Message] = {}

    def get_node_ids(self) -> list[int]:
        """All clients, always."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Answer each message at once; its reply waits to be pulled."""
        ids = []
        for message in messages:
            identity = f"inline-{next(self._numbers)}"
            set_identity(message, identity)
            context = self._contexts[message.metadata.dst_node_id]
            self._replies[identity] = self._client_app(message, context)
            ids.append(identity)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies to some messages, each once."""
        known = [identity for identity in message_ids if identity in self._replies]
        return [self._replies.pop(identity) for identity in known]
