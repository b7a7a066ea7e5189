"""The ClientApp of which one partition sends damaged replies."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from flwr.app import Array, ConfigRecord, Context, Message, MessageType, RecordDict

from experiments.fuzz.client_cases import CLEAN_UP, EVALUATE, REGISTRATION, TRAIN, Change
from fedrec import protocol

WHO = 1  # of the partitions
LONG = 100_000  # what is longer is told by its length and ends


class HostileClient:
    """The ClientApp; one partition damages its replies to one kind of message.

    Which of them came out changed, by their number, is written to a file: a damage may find
    nothing to do.

    Args:
        message: Kind of message, one of ``MESSAGES``; "" damages nothing.
        change: The damage.
        note: File for the numbers of the changed replies, or none.
        only: Numbers of the replies to damage, or none for all.
    """

    def __init__(
        self,
        message: str,
        change: Change,
        note: Path | None = None,
        only: Sequence[int] | None = None,
    ) -> None:
        self.message, self.change, self.note, self.only = message, change, note, only
        self.before: list[Message] = []  # the first one alone: a reply may hold 500 MB
        self.number = -1
        self.changed: list[int] = []

    def __call__(self, message: Message, context: Context) -> Message:
        """Reply as the ClientApp does, or worse."""
        from clients.app import app

        reply = app(message, context)
        is_hostile = context.node_config["partition-id"] == WHO
        if not is_hostile or kind_of(message) != self.message:
            return reply
        self.number, as_it_was = self.number + 1, fingerprint(reply)
        given = reply
        if self.only is None or self.number in self.only:
            given = self.change(reply, message, self.before) or reply
        self.before = self.before or [reply]
        if fingerprint(given) != as_it_was:
            self.changed.append(self.number)
            if self.note is not None:
                self.note.write_text(json.dumps(self.changed))
        return given


def fingerprint(message: Message) -> str:
    """A string that differs where the contents of two messages do."""
    if message.has_error():
        return f"error {message.error.code}"
    digest = hashlib.sha256()
    for name, record in message.content.items():
        digest.update(f"{name} {type(record).__name__}".encode())
        for key, value in record.items():
            if isinstance(value, Array):
                head = f"{key} {value.dtype} {value.shape} {value.stype} "
                digest.update(head.encode("utf-8", "surrogatepass"))
                digest.update(value.data)
            else:
                if isinstance(value, str | bytes | list) and len(value) > LONG:
                    shown = f"{len(value)} {value[:9]!r} {value[-9:]!r}"
                else:
                    shown = repr(value)
                digest.update(f"{key} {shown}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def kind_of(message: Message) -> str:
    """Which of ``MESSAGES`` a message is."""
    if message.metadata.message_type == MessageType.TRAIN:
        return TRAIN
    if message.metadata.message_type == MessageType.EVALUATE:
        return EVALUATE
    config = message.content.config_records[protocol.CONFIG]
    return CLEAN_UP if protocol.DELETE_STATE in config else REGISTRATION


def fails(reply: Message, message: Message, before: list[Message]) -> Message:
    """The reply of a client that just fails."""
    facts = ConfigRecord({protocol.ERROR: "it just fails", protocol.EXIT_CODE: 1, "partition": WHO})
    return Message(RecordDict({protocol.METADATA: facts}), reply_to=message)
