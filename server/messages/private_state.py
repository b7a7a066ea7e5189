"""Queries about private client state; the server never sees a private file, only its sha256."""

from collections.abc import Mapping
from typing import Any

from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedrec import protocol
from fedrec.errors import ParticipationError, ResourceError
from server.messages.exchange import exchange
from server.messages.failures import exit_code_of, failure, raise_dead_worker
from server.messages.registration import Registration
from server.sampling.excluded import STRAGGLED

ATTEMPTS = 2  # to query whether private files are there
CLEAN_UP_TIMEOUT = 10.0  # seconds


def delete_client_state(grid: Grid, registration: Registration, token: str) -> None:
    """Let all nodes delete the private files of a complete run; wait a short time for them."""
    queries: dict[int, dict[str, Any]] = {
        partition: {protocol.TOKEN: token, protocol.DELETE_STATE: True}
        for partition in registration.partitions
    }
    exchange(grid, _query_messages(registration, queries), CLEAN_UP_TIMEOUT)


def missing_private_files(
    grid: Grid,
    registration: Registration,
    token: str,
    expected: Mapping[int, Mapping[int, str]],
    timeout: float,
) -> dict[int, str]:
    """Find partitions whose private files are missing or damaged, with the reason they report.

    Args:
        grid: Grid that carries the messages.
        registration: Registration of the clients.
        token: Name of the run's private files.
        expected: Partition -> round -> sha256 of the private file of that round.
        timeout: Seconds to wait for replies.

    Raises:
        ParticipationError: A partition does not reply to two queries. Its files may be there, so
            that no older checkpoint is taken for it.
    """
    queries: dict[int, dict[str, Any]] = {
        partition: {
            protocol.TOKEN: token,
            protocol.CHECK: ",".join(f"{number}:{sha}" for number, sha in sorted(files.items())),
        }
        for partition, files in expected.items()
    }
    missing: dict[int, str] = {}
    for _ in range(ATTEMPTS):
        unanswered = dict.fromkeys(queries, STRAGGLED)
        replies = exchange(grid, _query_messages(registration, queries), timeout)
        raise_dead_worker(replies)
        for reply in replies:
            partition = registration.partition_of.get(reply.metadata.src_node_id)
            if partition not in unanswered:
                continue  # it replied twice, or was sent no query
            reason = failure(reply)
            if reason is not None and exit_code_of(reply) != ResourceError.exit_code:
                unanswered[partition] = reason
                continue
            del unanswered[partition], queries[partition]
            if reason is not None:
                missing[partition] = reason
        if not unanswered:
            return missing
    partition, reason = min(unanswered.items())
    raise ParticipationError(
        f"whether the private files are there is unknown: partition {partition} {reason}; "
        "resume again when all nodes reply"
    )


def _query_messages(
    registration: Registration, queries: Mapping[int, Mapping[str, Any]]
) -> list[Message]:
    common: dict[str, Any] = {
        protocol.FORMAT_KEY: protocol.FORMAT,
        protocol.CODE: protocol.code_fingerprint(),
    }
    return [
        Message(
            RecordDict({protocol.CONFIG: ConfigRecord(common | dict(query))}),
            registration.node_of[partition],
            MessageType.QUERY,
        )
        for partition, query in queries.items()
    ]
