from flwr.app import ConfigRecord, Context, Message, MessageType, RecordDict

from fedrec import protocol
from server.engines.inline import InlineGrid
from server.engines.nodes import FIRST_NODE, SERVER_NODE
from server.messages.exchange import exchange


def echo(message: Message, context: Context) -> Message:
    facts = {"partition": context.node_config["partition-id"]}
    return Message(RecordDict({protocol.METADATA: ConfigRecord(facts)}), reply_to=message)


def test_the_two_private_touches_of_flower_are_where_they_were():
    """Fails when a new Flower moves them: then change server/engines/nodes.py and its docstring."""
    from flwr.supercore.task_identity import TaskIdentity

    InlineGrid(echo, 1, {})  # sets who the running task is
    assert (TaskIdentity._run_id, TaskIdentity._node_id) == (1, SERVER_NODE)
    message = Message(RecordDict(), FIRST_NODE, MessageType.TRAIN)
    assert message.metadata.src_node_id == SERVER_NODE
    assert "_message_id" in message.metadata.__dict__
    message.metadata.__dict__["_message_id"] = "set-by-us"
    assert message.metadata.message_id == "set-by-us"
    reply = Message(RecordDict(), reply_to=message)
    assert reply.metadata.reply_to_message_id == "set-by-us"
    assert reply.metadata.src_node_id == FIRST_NODE


def test_each_message_reaches_its_own_client():
    grid = InlineGrid(echo, 3, {})
    messages = [Message(RecordDict(), node, MessageType.QUERY) for node in grid.get_node_ids()]
    replies = exchange(grid, messages[::-1], timeout=1.0)
    said = {
        reply.metadata.src_node_id: reply.content.config_records[protocol.METADATA]["partition"]
        for reply in replies
    }
    assert said == {FIRST_NODE: 0, FIRST_NODE + 1: 1, FIRST_NODE + 2: 2}


def test_a_reply_is_pulled_once():
    grid = InlineGrid(echo, 1, {})
    ids = list(grid.push_messages([Message(RecordDict(), FIRST_NODE, MessageType.QUERY)]))
    assert len(list(grid.pull_messages(ids))) == 1
    assert list(grid.pull_messages(ids)) == []
    assert list(grid.pull_messages(["unknown"])) == []


def test_a_client_is_told_how_many_there_are_and_the_run_config():
    seen = {}

    def client(message, context):
        seen.update(context.node_config, **context.run_config)
        return echo(message, context)

    grid = InlineGrid(client, 4, {"seed": 7}, threads=2)
    list(grid.push_messages([Message(RecordDict(), FIRST_NODE + 3, MessageType.QUERY)]))
    assert seen == {"partition-id": 3, "num-partitions": 4, "threads": 2, "seed": 7}
