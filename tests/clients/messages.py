"""A message to the ClientApp, and its reply, without an engine between."""

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict

from clients.app import app
from fedrec import protocol
from fedrec.config.keys import flatten
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.factory.table import open_table
from fedrec.models.parameters import arrays_of, groups_of
from server.engines.inline import InlineGrid
from server.engines.nodes import FIRST_NODE

TOKEN = "0123456789abcdef"


def record_of(arrays):
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def reply_to(config, kind, *, partition=0, nodes=None, sent=None, records=None, node=None):
    """The reply of the ClientApp to one message; None in ``sent`` leaves a key out."""
    InlineGrid(app, 1, {})  # without a running task, Flower makes no message
    told = {
        protocol.FORMAT_KEY: protocol.FORMAT,
        protocol.CODE: protocol.code_fingerprint(),
        protocol.TOKEN: TOKEN,
        protocol.ROUND: 1,
        protocol.LAST_ACCEPTED: 0,
        protocol.PRIVATE: "",
        protocol.KEEP: "",
        protocol.STAGE: "validation",
        protocol.SCORER: "model",
        protocol.PROTOCOLS: "full",
    } | (sent or {})
    told = {key: value for key, value in told.items() if value is not None}
    content = RecordDict({protocol.CONFIG: ConfigRecord(told)} | (records or {}))
    message = Message(content, FIRST_NODE, kind)
    message.metadata.__dict__["_message_id"] = "message"
    context = Context(
        run_id=1,
        node_id=FIRST_NODE,
        node_config={
            "partition-id": partition,
            "num-partitions": config.partition.count if nodes is None else nodes,
        }
        | (node or {}),
        state=RecordDict(),
        run_config=flatten(config),
    )
    return app(message, context)


def metadata_of(reply):
    return dict(reply.content.config_records[protocol.METADATA])


def sound_records(config):
    """The arrays of a message that nothing is wrong with."""
    catalog = open_prepared(config).dataset.catalog
    counts = np.ones(catalog.num_items + 1, np.int64)
    model = make_model(config, catalog, open_table(config, catalog), counts)
    private = ["gate-bias"] if config.model.private else []
    return {
        protocol.ARRAYS: record_of(arrays_of(model, groups_of(model, private).shared)),
        protocol.FREQUENCY: record_of({protocol.FREQUENCY: counts}),
    }
