"""The server's view of what clients keep: it never sees a private file, only its sha256."""

from collections.abc import Mapping
from typing import Any

from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedrec import protocol
from fedrec.errors import ParticipationError, ResourceError
from server.messages.exchange import exchange
from server.messages.registration import Registration
from server.replies.outcome import exit_code_of, failure, refuse_dead_workers

ATTEMPTS = 2  # to learn whether private files are there
FAREWELL = 10.0  # seconds until nobody waits any more for a node that is told to forget


def delete_client_state(grid: Grid, registration: Registration, token: str) -> None:
    """Tell all nodes that the run is over: its private files may go. Nobody waits long for it."""
    wishes: dict[int, dict[str, Any]] = {
        partition: {protocol.TOKEN: token, protocol.DELETE_STATE: True}
        for partition in registration.partitions
    }
    exchange(grid, _queries(registration, wishes), FAREWELL)


def missing_private_files(
    grid: Grid,
    registration: Registration,
    token: str,
    wanted: Mapping[int, Mapping[int, str]],
    timeout: float,
) -> dict[int, str]:
    """Partitions that cannot go on from the files they kept, with the reason they give.

    Args:
        grid: carries the messages.
        registration: who is there.
        token: of the run.
        wanted: partition -> round -> sha256 of the file it wrote then.
        timeout: seconds.

    Raises:
        ParticipationError: some do not say whether they can, asked twice. Their files may be there:
            nothing is given up for them.
    """
    wishes: dict[int, dict[str, Any]] = {
        partition: {
            protocol.TOKEN: token,
            protocol.CHECK: ",".join(f"{number}:{sha}" for number, sha in sorted(files.items())),
        }
        for partition, files in wanted.items()
    }
    lost: dict[int, str] = {}
    for _ in range(ATTEMPTS):
        silent = dict.fromkeys(wishes, "did not reply in time")
        replies = exchange(grid, _queries(registration, wishes), timeout)
        refuse_dead_workers(replies)
        for reply in replies:
            partition = registration.partition_of.get(reply.metadata.src_node_id)
            if partition not in silent:
                continue  # it answered twice, or nobody asked it
            reason = failure(reply)
            if reason is not None and exit_code_of(reply) != ResourceError.exit_code:
                silent[partition] = reason
                continue
            del silent[partition], wishes[partition]
            if reason is not None:
                lost[partition] = reason
        if not silent:
            return lost
    partition, reason = min(silent.items())
    raise ParticipationError(
        f"whether the private files are there is unknown: partition {partition} {reason}; "
        "resume again when all nodes answer"
    )


def _queries(registration: Registration, wishes: Mapping[int, Mapping[str, Any]]) -> list[Message]:
    same: dict[str, Any] = {
        protocol.FORMAT_KEY: protocol.FORMAT,
        protocol.CODE: protocol.code_fingerprint(),
    }
    return [
        Message(
            RecordDict({protocol.CONFIG: ConfigRecord(same | dict(wish))}),
            registration.node_of[partition],
            MessageType.QUERY,
        )
        for partition, wish in wishes.items()
    ]
