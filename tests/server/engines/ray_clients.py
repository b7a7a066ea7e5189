"""ClientApps for the tests of the Ray grid; the workers import them by name."""

import os
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict


def answer(message: Message, context: Context, **facts: object) -> Message:
    """A reply that says which partition it is, and the sum of the weights it was sent."""
    content = message.content
    facts |= {"partition": context.node_config["partition-id"], "pid": os.getpid()}
    facts |= {"num-partitions": context.node_config["num-partitions"], **context.run_config}
    reply = RecordDict({"facts": ConfigRecord(facts)})
    if "arrays" in content.array_records:
        total = content.array_records["arrays"]["w"].numpy().sum()
        reply["sum"] = ArrayRecord({"sum": Array(np.asarray(total))})
    return Message(reply, reply_to=message)


def orders(message: Message, context: Context) -> list[str]:
    """What the message tells this partition to do."""
    config = message.content.config_records.get("config", {})
    return str(config.get(f"order-{context.node_config['partition-id']}", "")).split()


def app(message: Message, context: Context) -> Message:
    """Does as it is told: raise, exit, sleep SECONDS, stop-once FILE, or nothing."""
    todo = orders(message, context)
    if todo[:1] == ["raise"]:
        raise ValueError("no such thing")
    if todo[:1] == ["exit"]:
        os._exit(3)
    if todo[:1] == ["sleep"]:
        time.sleep(float(todo[1]))
    if todo[:1] == ["note"]:  # leaves its pid and waits long, the first time only
        note = Path(todo[1]) / f"{context.node_config['partition-id']}"
        if not note.exists():
            note.write_text(str(os.getpid()))
            time.sleep(60)
    if todo[:1] == ["nothing"]:
        return None  # type: ignore[return-value]
    return answer(message, context)
