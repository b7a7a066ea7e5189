"""Failures that clients report in a reply, or that the engine reports in their place."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flwr.app import Message

from fedrec import protocol
from fedrec.errors import (
    ConfigError,
    DataError,
    FedrecError,
    MessageError,
    ParticipationError,
    ResourceError,
)

# How Flower names, in the reason of an error, what Ray raised to it.
DEAD_WORKER = re.compile(r"ray\.exceptions\.(?:RayActor|Actor|Worker|Node|Object)\w*Error")
KINDS: dict[int, type[FedrecError]] = {
    kind.exit_code: kind
    for kind in (MessageError, ConfigError, ParticipationError, DataError, ResourceError)
}
# What the user must change: another attempt would hide it.
NOT_RETRIED = {ConfigError.exit_code, DataError.exit_code}
LONGEST_REASON, LONGEST_TRACEBACK = 600, 20_000  # characters of a client's text


def failure(reply: Message) -> str | None:
    """Reason of a failure that a client reports; none if it reports success."""
    if reply.has_error():
        return f"failed: {reply.error.reason or 'without a reason'}"
    metadata = reply.content.config_records.get(protocol.METADATA)
    if metadata is None:
        return "sent no metadata"
    return str(metadata[protocol.ERROR]) if protocol.ERROR in metadata else None


def responded_partitions(
    replies: Iterable[Message], partition_of_node: Mapping[int, int]
) -> set[int]:
    """Partitions whose reply came in time and reports no failure, whether or not it is valid."""
    return {
        partition_of_node.get(reply.metadata.src_node_id, -1)
        for reply in replies
        if not failure(reply)
    }


def raise_dead_worker(replies: Sequence[Message]) -> None:
    """End the run when Flower's simulation reports that one of its workers died.

    It cannot start another: the dead one goes back into its pool and fails every later client task
    that it gets, so all further rounds would have fewer clients than the run asks for.

    Raises:
        ParticipationError: A worker died; the message names an engine that replaces workers.
    """
    for reply in replies:
        if reply.has_error() and (found := DEAD_WORKER.search(reply.error.reason or "")):
            raise ParticipationError(
                f"a worker of Flower's simulation died ({found[0]}), and it cannot start another; "
                "engine 'ray' replaces workers that die"
            )


def raise_failure(reply: Message) -> None:
    """Raise the failure that a client reports, as the kind of error that it was there.

    Raises:
        FedrecError: The client reports a failure.
    """
    reason = failure(reply)
    if reason is not None:
        raise error_of(exit_code_of(reply), printable(reason, LONGEST_REASON))


def error_of(
    exit_code: int, reason: str, excluded: Mapping[str, list[dict[str, Any]]] | None = None
) -> FedrecError:
    """Make the error of an exit code, as ``fedrec.errors`` lists them.

    Args:
        exit_code: Exit code of the command line.
        reason: Message of the error.
        excluded: Attempt or evaluation that failed -> its excluded clients, for run.json.
    """
    error = KINDS.get(exit_code, FedrecError)(reason)
    error.excluded = excluded or {}
    return error


def _metadata(reply: Message) -> Mapping[str, Any]:
    if not reply.has_content():
        return {}
    return reply.content.config_records.get(protocol.METADATA) or {}


def exit_code_of(reply: Message) -> int:
    """Exit code of the error that a client reports; 1 if it reports none."""
    code = _metadata(reply).get(protocol.EXIT_CODE, 1)
    return code if isinstance(code, int) else 1


def traceback_of(reply: Message) -> str:
    """Traceback that a client reports, shortened and printable; empty if it reports none."""
    return printable(
        str(_metadata(reply).get(protocol.TRACEBACK, "")), LONGEST_TRACEBACK, keep="\n"
    )


def printable(text: str, longest: int, keep: str = "") -> str:
    """Shorten a client's text and remove control characters, for logs, tables and terminals."""
    shown = "".join(c if c.isprintable() or c in keep else " " for c in text[:longest])
    return shown if len(text) <= longest else f"{shown} ..."
