"""The train messages of a round."""

from flwr.app import ConfigRecord, Message, MessageType, RecordDict

from fedrec import protocol
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_record
from server.messages.exchange import SampledNodes
from server.sampling.cohort import Cohort
from server.state.context import ServerContext
from server.state.server_state import ServerState


def train_messages(
    context: ServerContext, state: ServerState, round: int, cohort: Cohort, sent: NamedArrays
) -> list[Message]:
    """Make a train message for each partition of a cohort, as the strategy configures it.

    All messages share the records of arrays, so that an engine can send those once.

    Args:
        context: Context of the run, the same over all rounds.
        state: State of the server.
        round: Number of the round.
        cohort: Clients that are sent a message.
        sent: Weights as clients receive them, float32.
    """
    if not cohort.partitions:
        return []
    registration = context.registration
    nodes = [registration.node_of[partition] for partition in cohort.partitions]
    partition_of = registration.partition_of
    arrays = array_record(sent)
    frequency = array_record({protocol.FREQUENCY: context.frequency})
    messages = []
    for draft in context.strategy.configure_train(
        round, array_record(state.weights), ConfigRecord(), SampledNodes(context.grid, nodes)
    ):
        node = draft.metadata.dst_node_id
        partition = partition_of[node]
        config = dict(draft.content.config_records[protocol.CONFIG])
        config |= context.message_config(round, partition, state, state.accepted)
        content = RecordDict({protocol.ARRAYS: arrays, protocol.FREQUENCY: frequency})
        content[protocol.CONFIG] = ConfigRecord(config)
        content.update(context.clients.train_records(cohort, partition))
        messages.append(Message(content, node, MessageType.TRAIN))
    return messages
