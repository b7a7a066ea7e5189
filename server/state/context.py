"""Context of a run, the same over all rounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedrec import protocol
from fedrec.config.config import Config
from fedrec.config.user_code import client_fingerprint
from server.granularity.base import ClientGranularity
from server.messages.exchange import Watch, watch_nothing
from server.messages.registration import Registration
from server.sampling.unavailable import Unavailability
from server.state.joints import NO_JOINTS, Joints
from server.state.server_state import AcceptedReply, ServerState


@dataclass(frozen=True, kw_only=True)
class ServerContext:
    """Context of a run, the same over all rounds.

    Attributes:
        grid: Grid that carries the messages.
        strategy: Strategy of the run.
        config: Config of the run.
        registration: Registration of the clients.
        clients: Granularity of the clients: partitions or users.
        unavailability: Clients that are known beforehand not to reply.
        token: Name of the clients' private files of this run.
        frequency: (V + 1,) int64 training events per item over all clients, zeros if not shared.
        num_users: Users of the data, over all partitions.
        num_views: Number of views of the model: as many gate weights come with test ranks.
        item_rows: Names of the shared parameters with a row per item.
        scorer: Scorer that is evaluated: "model", or the name of a baseline.
        watch: Callback, called while the server waits for replies.
        joints: Rounds after which the run was extended.
    """

    grid: Grid
    strategy: Strategy
    config: Config
    registration: Registration
    clients: ClientGranularity
    unavailability: Unavailability
    token: str
    frequency: np.ndarray
    num_users: int
    num_views: int
    item_rows: frozenset[str] = frozenset()
    scorer: str = "model"
    watch: Watch = watch_nothing
    joints: Joints = NO_JOINTS

    def message_config(
        self, round: int, partition: int, state: ServerState, accepted: Mapping[int, AcceptedReply]
    ) -> dict[str, Any]:
        """Make the config record of a message to a partition.

        Args:
            round: Number of the round.
            partition: Partition that is sent the message.
            state: State of the server, which needs older private files.
            accepted: Replies whose private files are used: ``state.accepted`` or the best ones.
        """
        last = accepted.get(partition, AcceptedReply(0))
        kept = set().union(*(one.get(partition, set()) for one in state.checkpoints))
        if partition in state.best_accepted:
            kept.add(state.best_accepted[partition].round)
        return {
            protocol.FORMAT_KEY: protocol.FORMAT,
            protocol.CODE: protocol.code_fingerprint(),
            protocol.USER_CODE: client_fingerprint(self.config),
            protocol.TOKEN: self.token,
            protocol.ROUND: round,
            protocol.PARTITION: partition,
            protocol.LAST_ACCEPTED: last.round,
            protocol.PRIVATE: last.private,
            protocol.KEEP: ",".join(str(number) for number in sorted(kept)),
        }
