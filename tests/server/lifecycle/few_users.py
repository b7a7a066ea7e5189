"""Clients of few users, and what they are heard to tell."""

from clients.app import app
from fedrec import protocol

DEFAULT = 20
MIN_USERS = "federation.share-counts-min-users"
HOMES = {"big": 20, "middle": 19, "small": 1}  # partitions 0, 1, 2
TELLING = {"counts", "user-ids", "targets"}
SMALL = {"loss.negatives": 10, "federation.rounds": 1}


def events_of(homes):
    """Seven events for a user at each of the homes, as ``own_events`` takes them."""
    return {
        f"person-{user}": (home, [(user * 7 + step * step) % 30 for step in range(7)])
        for user, home in enumerate(homes)
    }


class Heard:
    """The ClientApp, and what it has replied: ``replies[partition]``."""

    def __init__(self):
        self.replies = {}

    def __call__(self, message, context):
        reply = app(message, context)
        self.replies.setdefault(int(context.node_config["partition-id"]), []).append(reply.content)
        return reply

    def told(self, partition):
        """Which of counts, original ids and held-out items a partition has told."""
        found = set()
        for content in self.replies[partition]:
            for record in (protocol.REGISTRATION, protocol.RANKS):
                found |= set(content.array_records.get(record, {}))
            found |= set(content.config_records[protocol.METADATA])
        return found & TELLING

    def data(self, partition):
        """All bytes of arrays, and all texts, of a partition's replies."""
        for content in self.replies[partition]:
            for record in content.array_records.values():
                yield from (array.data for array in record.values())
            for record in content.config_records.values():
                yield repr(dict(record)).encode()
