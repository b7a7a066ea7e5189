"""The evaluate messages of one evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord, Message, MessageType, RecordDict

from fedrec import protocol
from fedrec.data.splits import Stage
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_record
from server.messages.weights import cast_weights
from server.state.context import ServerContext
from server.state.server_state import AcceptedReply, ServerState


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """Request of an evaluation to the clients.

    Attributes:
        round: Number of the round.
        stage: "validation" or "test".
        scorer: "model", or the name of a baseline.
        protocols: Evaluation protocols.
        further: Whether figures beyond the ranks are asked for, as far as the config has them.
    """

    round: int
    stage: Stage
    scorer: str
    protocols: Sequence[str]
    further: bool


def evaluate_messages(
    context: ServerContext,
    state: ServerState,
    request: EvaluationRequest,
    partitions: Sequence[int],
    weights: NamedArrays,
    accepted: Mapping[int, AcceptedReply],
) -> list[Message]:
    """Make an evaluate message for each partition; all share the records of arrays.

    Args:
        context: Context of the run, the same over all rounds.
        state: State of the server.
        request: Request of the evaluation.
        partitions: Partitions that are sent a message.
        weights: Float64 weights to evaluate; they are not sent for a baseline.
        accepted: Partition -> accepted reply whose private file belongs to these weights.
    """
    records: dict[str, Any] = {
        protocol.FREQUENCY: array_record({protocol.FREQUENCY: context.frequency})
    }
    if request.scorer == "model":
        records[protocol.ARRAYS] = array_record(cast_weights(weights))
    messages = []
    for partition in partitions:
        config = context.message_config(request.round, partition, state, accepted) | {
            protocol.STAGE: request.stage,
            protocol.SCORER: request.scorer,
            protocol.PROTOCOLS: ",".join(request.protocols),
            protocol.FURTHER: request.further,
        }
        content = RecordDict(records | {protocol.CONFIG: ConfigRecord(config)})
        node = context.registration.node_of[partition]
        messages.append(Message(content, node, MessageType.EVALUATE))
    return messages
