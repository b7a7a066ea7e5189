"""What a client answers to a message: from its records to a turn, and from the turn to records."""

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict

from clients import train_partition
from clients.private_state import Memory
from clients.request import (
    TrainRequest,
    arrays_in,
    config_of,
    evaluate_request,
    files_to_check,
    forgotten_token,
    frequency_in,
    token_of,
    train_request,
    users_in,
)
from clients.train_users import train_users_turn
from fedrec import protocol
from fedrec.config.config import Config
from fedrec.evaluation.gates import are_told
from fedrec.factory.model import open_table
from fedrec.records import array_record


def answer_query(message: Message, config: Config, partition: int) -> RecordDict:
    """Who this client is and what it holds; or that its files of a run are there, or gone."""
    sent = config_of(message)
    token, wanted = forgotten_token(sent), files_to_check(sent)
    if token is None and not wanted:
        return _census(config, partition)
    if token is not None:
        Memory(token, partition).forget()
    for number, digest in wanted.items():
        Memory(token_of(sent), partition).read(number, digest)
    return RecordDict({protocol.FACTS: ConfigRecord({protocol.PARTITION: partition})})


def _census(config: Config, partition: int) -> RecordDict:
    holding = train_partition.open_holding(config, partition)
    table = open_table(config, holding.dataset.catalog)
    arrays = {protocol.USER_NUMBERS: holding.users}
    if config.federation.unit == "user":
        arrays[protocol.USER_TARGETS] = holding.targets
    if config.federation.share_counts:
        arrays[protocol.ITEM_COUNTS] = train_partition.training_events(holding)
    facts = ConfigRecord(
        {
            protocol.PARTITION: partition,
            protocol.DATA_HASH: holding.dataset.data_hash,
            protocol.TABLE_HASH: "" if table is None else table.sha256,
            protocol.USER_IDS: [holding.dataset.user_ids[user] for user in holding.users],
        }
    )
    return RecordDict(
        {
            protocol.REGISTRATION: array_record(arrays),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: int(holding.targets.sum())}),
            protocol.FACTS: facts,
        }
    )


def answer_train(message: Message, config: Config, partition: int) -> RecordDict:
    """The trained weights, or where every user is a client the sum of the users' updates."""
    asked = train_request(config_of(message))
    holding = train_partition.open_holding(config, partition)
    if config.federation.unit == "user":
        return _train_users(message, config, holding, asked, partition)
    done = train_partition.train_turn(
        config,
        holding,
        Memory(asked.past.token, partition),
        arrays_in(message, protocol.ARRAYS),
        frequency_in(message, holding.dataset.catalog.num_items),
        round=asked.round,
        accepted=asked.past.accepted,
        private=asked.past.private,
        keep=asked.keep,
        partition=partition,
        proximal_mu=asked.proximal_mu,
    )
    metrics = MetricRecord(
        {
            protocol.NUM_EXAMPLES: int(holding.targets.sum()),
            # Of a model that is sure, the last bits of a sum may leave a loss below 0.
            protocol.TRAIN_LOSS: max(0.0, done.fit.loss),
            protocol.TRAINED_TARGETS: done.fit.targets,
        }
    )
    facts = ConfigRecord(
        {
            protocol.PARTITION: partition,
            protocol.ROUND: asked.round,
            protocol.PRIVATE: done.private,
        }
    )
    return RecordDict(
        {
            protocol.ARRAYS: array_record(done.weights),
            protocol.METRICS: metrics,
            protocol.FACTS: facts,
        }
    )


def _train_users(
    message: Message,
    config: Config,
    holding: train_partition.Holding,
    asked: TrainRequest,
    partition: int,
) -> RecordDict:
    done = train_users_turn(
        config,
        holding,
        arrays_in(message, protocol.ARRAYS),
        frequency_in(message, holding.dataset.catalog.num_items),
        users_in(message),
        round=asked.round,
        proximal_mu=asked.proximal_mu,
    )
    each = {
        protocol.USER_NUMBERS: done.users,
        protocol.LOSSES: done.losses.clip(min=0),
        protocol.NORMS: done.norms,
        protocol.ROWS_READ: done.rows,
        protocol.TRAINED: done.trained,
        protocol.EXCLUDED: done.left_out,
        protocol.TOO_LARGE: done.too_large,
        protocol.EXCLUDED_ROWS: done.left_out_rows,
    }
    if config.federation.row_averaging == "sparse":
        each[protocol.ROW_WEIGHTS] = done.touched
    facts = ConfigRecord({protocol.PARTITION: partition, protocol.ROUND: asked.round})
    return RecordDict(
        {
            protocol.ARRAYS: array_record(done.total),
            protocol.USERS: array_record(each),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: done.weight}),
            protocol.FACTS: facts,
        }
    )


def answer_evaluate(message: Message, config: Config, partition: int) -> RecordDict:
    """The ranks of the held-out items of this client's users."""
    asked = evaluate_request(config_of(message))
    holding = train_partition.open_holding(config, partition)
    held_out, personal = train_partition.evaluate_turn(
        config,
        holding,
        Memory(asked.past.token, partition),
        arrays_in(message, protocol.ARRAYS) if asked.scorer == "model" else {},
        frequency_in(message, holding.dataset.catalog.num_items),
        scorer=asked.scorer,
        stage=asked.stage,
        protocols=asked.protocols,
        accepted=asked.past.accepted,
        private=asked.past.private,
        counts_are_shared=config.federation.share_counts,
    )
    arrays = {protocol.rank_array(name): ranks for name, ranks in held_out.ranks.items()}
    arrays |= {
        protocol.USER_NUMBERS: held_out.users,
        protocol.CANDIDATES: held_out.num_candidates,
        protocol.EVENTS: holding.dataset.sequences.lengths()[held_out.users],
    }
    if are_told(asked.stage, held_out.gates.shape[-1] - 1):
        arrays[protocol.GATES] = held_out.gates
    if config.federation.share_counts:
        arrays[protocol.HELD_OUT_ITEMS] = held_out.targets
    if personal is not None:
        arrays[protocol.PERSONAL_RANKS] = personal
    return RecordDict(
        {
            protocol.RANKS: array_record(arrays),
            protocol.METRICS: MetricRecord({protocol.NUM_EXAMPLES: len(held_out.users)}),
            protocol.FACTS: ConfigRecord(
                {protocol.PARTITION: partition, protocol.ROUND: asked.round}
            ),
        }
    )
