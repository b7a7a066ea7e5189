"""A ClientApp as Flower's guides write it; a module of its own, which Ray's actors import."""

from functools import lru_cache

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from benchmarks.users.work import fresh, opened, train_user

app = ClientApp()


@lru_cache(maxsize=2)
def users_of(facts: str, turn: int) -> list[int]:
    """The users of a turn, worked out once per actor."""
    return opened(facts).users(turn)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Load the sent weights, take the local steps, send the weights back."""
    config = message.content.config_records["config"]
    facts, turn = str(config["facts"]), int(str(config["turn"]))
    work = opened(facts)
    users = users_of(facts, turn)
    user = users[int(context.node_config["partition-id"]) % len(users)]  # fewer in turn 0 only
    model = fresh(work)
    model.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    train_user(work, model, user, turn)
    content = RecordDict(
        {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"num-examples": work.targets(user)}),
        }
    )
    return Message(content=content, reply_to=message)
