"""Message handlers of a client: from records to local work, and from its results to records."""

import numpy as np
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict

from clients.evaluate import evaluate
from clients.local_data import LocalData, open_local_data, training_events
from clients.model import fresh_model
from clients.private_state import PrivateState
from clients.request import (
    TrainRequest,
    arrays_in,
    config_of,
    deleted_token,
    evaluate_request,
    files_to_check,
    frequency_in,
    token_of,
    train_request,
    users_in,
)
from clients.train_partition import train_partition
from clients.train_users import train_users
from fedrec import protocol
from fedrec.config.config import Config
from fedrec.evaluation.gates import are_told, without_popularity
from fedrec.factory.own_views import inputs_hash
from fedrec.records import array_record


def handle_query(message: Message, config: Config, partition: int) -> RecordDict:
    """Register the client; or confirm that its private files of a run are there, or deleted."""
    sent = config_of(message)
    token, wanted = deleted_token(sent), files_to_check(sent)
    if token is None and not wanted:
        return _registration(config, partition)
    if token is not None:
        PrivateState(token, partition).delete()
    for number, digest in wanted.items():
        PrivateState(token_of(sent), partition).read(number, digest)
    return RecordDict({protocol.METADATA: ConfigRecord({protocol.PARTITION: partition})})


def _registration(config: Config, partition: int) -> RecordDict:
    data = open_local_data(config, partition)
    table = data.prepared.table
    catalog = data.dataset.catalog
    unknown = np.zeros(catalog.num_items + 1, dtype=np.int64)
    inputs = inputs_hash(config, catalog, lambda: fresh_model(config, data, unknown)[0])
    arrays = {protocol.USER_NUMBERS: data.users}
    if config.federation.unit == "user":
        arrays[protocol.USER_TARGETS] = data.targets
    metadata = ConfigRecord(
        {
            protocol.PARTITION: partition,
            protocol.DATA_HASH: data.dataset.data_hash,
            protocol.TABLE_HASH: "" if table is None else table.sha256,
            protocol.VIEWS_HASH: inputs,
        }
    )
    if config.federation.shares_counts(len(data.users)):
        arrays[protocol.ITEM_COUNTS] = training_events(data)
        metadata[protocol.USER_IDS] = [data.dataset.user_ids[user] for user in data.users]
    return RecordDict(
        {
            protocol.REGISTRATION: array_record(arrays),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: int(data.targets.sum())}),
            protocol.METADATA: metadata,
        }
    )


def handle_train(message: Message, config: Config, partition: int) -> RecordDict:
    """Return the trained weights; or the sum of users' updates where every user is a client."""
    request = train_request(config_of(message))
    data = open_local_data(config, partition)
    if config.federation.unit == "user":
        return _train_users(message, config, data, request, partition)
    done = train_partition(
        config,
        data,
        PrivateState(request.past.token, partition),
        arrays_in(message, protocol.ARRAYS),
        frequency_in(message, data.dataset.catalog.num_items),
        round=request.round,
        accepted=request.past.accepted,
        private_digest=request.past.private_digest,
        keep=request.keep,
        partition=partition,
        proximal_mu=request.proximal_mu,
    )
    metrics = MetricRecord(
        {
            protocol.NUM_EXAMPLES: int(data.targets.sum()),
            # Of a model that is sure, the last bits of a sum may leave a loss below 0.
            protocol.TRAIN_LOSS: max(0.0, done.fit.loss),
            protocol.TRAINED_TARGETS: done.fit.targets,
        }
    )
    metadata = ConfigRecord(
        {
            protocol.PARTITION: partition,
            protocol.ROUND: request.round,
            protocol.PRIVATE: done.private_digest,
        }
    )
    return RecordDict(
        {
            protocol.ARRAYS: array_record(done.weights),
            protocol.METRICS: metrics,
            protocol.METADATA: metadata,
        }
    )


def _train_users(
    message: Message,
    config: Config,
    data: LocalData,
    request: TrainRequest,
    partition: int,
) -> RecordDict:
    done = train_users(
        config,
        data,
        arrays_in(message, protocol.ARRAYS),
        frequency_in(message, data.dataset.catalog.num_items),
        users_in(message),
        round=request.round,
        proximal_mu=request.proximal_mu,
    )
    each = {
        protocol.USER_NUMBERS: done.users,
        protocol.LOSSES: done.losses.clip(min=0),
        protocol.NORMS: done.norms,
        protocol.ROWS_READ: done.rows,
        protocol.TRAINED: done.trained,
        protocol.EXCLUDED: done.excluded,
        protocol.TOO_LARGE: done.too_large,
        protocol.EXCLUDED_ROWS: done.excluded_rows,
    }
    if config.federation.row_averaging == "sparse":
        each[protocol.ROW_WEIGHTS] = done.row_weights
    metadata = ConfigRecord({protocol.PARTITION: partition, protocol.ROUND: request.round})
    return RecordDict(
        {
            protocol.ARRAYS: array_record(done.total),
            protocol.USERS: array_record(each),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: done.weight}),
            protocol.METADATA: metadata,
        }
    )


def handle_evaluate(message: Message, config: Config, partition: int) -> RecordDict:
    """Return the ranks of the held-out items of this client's users."""
    request = evaluate_request(config_of(message))
    data = open_local_data(config, partition)
    frequency = frequency_in(message, data.dataset.catalog.num_items)
    held_out, personal = evaluate(
        config,
        data,
        PrivateState(request.past.token, partition),
        arrays_in(message, protocol.ARRAYS) if request.scorer == "model" else {},
        frequency,
        scorer=request.scorer,
        stage=request.stage,
        protocols=request.protocols,
        further=request.further,
        accepted=request.past.accepted,
        private_digest=request.past.private_digest,
        counts_are_shared=bool(frequency.any()),  # by other clients, perhaps
    )
    arrays = {protocol.rank_array(name): ranks for name, ranks in held_out.ranks.items()}
    arrays |= {
        protocol.USER_NUMBERS: held_out.users,
        protocol.CANDIDATES: held_out.num_candidates,
        protocol.EVENTS: data.dataset.sequences.lengths()[held_out.users],
    }
    is_shared = config.federation.shares_counts(len(data.users))
    if are_told(request.stage, held_out.gates.shape[-1] - 1):
        gates = held_out.gates
        arrays[protocol.GATES] = gates if is_shared else without_popularity(gates)
    if is_shared:
        arrays[protocol.HELD_OUT_ITEMS] = held_out.targets
    if held_out.jaccard is not None:
        arrays[protocol.JACCARD] = held_out.jaccard
    if held_out.positions is not None:
        arrays[protocol.POSITIONS] = held_out.positions
    if personal is not None:
        arrays[protocol.PERSONAL_RANKS] = personal
    return RecordDict(
        {
            protocol.RANKS: array_record(arrays),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: len(held_out.users)}),
            protocol.METADATA: ConfigRecord(
                {protocol.PARTITION: partition, protocol.ROUND: request.round}
            ),
        }
    )
