"""The server's view of what clients keep: it never sees a private file, only its sha256."""

from collections.abc import Mapping
from typing import Any

from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedrec import protocol
from server.census import Census
from server.exchange import exchange
from server.replies import failure

FAREWELL = 30.0  # seconds until nobody waits any more for a node that is told to forget


def dismiss(grid: Grid, census: Census, token: str) -> None:
    """Tell all nodes that the run is over: its private files may go. Nobody waits long for it."""
    wishes: dict[int, dict[str, Any]] = {
        partition: {protocol.TOKEN: token, protocol.FORGET: True} for partition in census.partitions
    }
    exchange(grid, _queries(census, wishes), FAREWELL)


def lost_private_files(
    grid: Grid, census: Census, token: str, wanted: Mapping[int, Mapping[int, str]], timeout: float
) -> dict[int, str]:
    """Partitions that cannot go on from the files they kept, with the reason.

    Args:
        grid: carries the messages.
        census: who is there.
        token: of the run.
        wanted: partition -> round -> sha256 of the file it wrote then.
        timeout: seconds.
    """
    wishes: dict[int, dict[str, Any]] = {
        partition: {
            protocol.TOKEN: token,
            protocol.CHECK: ",".join(f"{number}:{sha}" for number, sha in sorted(files.items())),
        }
        for partition, files in wanted.items()
    }
    found = dict.fromkeys(wanted, "did not reply in time")
    for reply in exchange(grid, _queries(census, wishes), timeout):
        partition = census.partition_of[reply.metadata.src_node_id]
        if reason := failure(reply):
            found[partition] = reason
        else:
            del found[partition]
    return found


def _queries(census: Census, wishes: Mapping[int, Mapping[str, Any]]) -> list[Message]:
    same: dict[str, Any] = {
        protocol.FORMAT_KEY: protocol.FORMAT,
        protocol.CODE: protocol.code_fingerprint(),
    }
    return [
        Message(
            RecordDict({protocol.CONFIG: ConfigRecord(same | dict(wish))}),
            census.node_of[partition],
            MessageType.QUERY,
        )
        for partition, wish in wishes.items()
    ]
