"""Hostile replies: ways to change a train reply, and the reason for which each is rejected."""

import io
import math
import zipfile

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from fedrec import protocol

NAME = "gate.bias"


LARGEST = float(np.finfo(np.float32).max)


def weights_of(reply):
    return reply.content.array_records[protocol.ARRAYS]


def metrics_of(reply):
    return reply.content.metric_records[protocol.METRICS]


def facts_of(reply):
    return reply.content.config_records[protocol.METADATA]


def put(array):
    def change(reply, message):
        weights_of(reply)[NAME] = Array(array)

    return change


def put_first(value):
    def change(reply, message):
        array = weights_of(reply)[NAME].numpy().copy()
        array[0] = value
        weights_of(reply)[NAME] = Array(array)

    return change


def put_data(data, stype="numpy.ndarray"):
    def change(reply, message):
        weights_of(reply)[NAME] = Array(dtype="float32", shape=(3,), stype=stype, data=data)

    return change


def npy(header):
    """Bytes of a file of numpy's with this header and twelve bytes of numbers."""
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(12)


def zipped():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"))
    return content.getvalue()


def add_one(reply, message):
    weights_of(reply)["gate.other"] = Array(np.zeros(3, np.float32))


def leave_out(reply, message):
    weights_of(reply).pop(NAME)


def rename_weights(reply, message):
    weights_of(reply)["gate.other"] = weights_of(reply).pop(NAME)


def other_dtype(dtype):
    def change(reply, message):
        weights_of(reply)[NAME] = Array(weights_of(reply)[NAME].numpy().astype(dtype))

    return change


def put_metric(key, value):
    def change(reply, message):
        metrics_of(reply)[key] = value(metrics_of(reply)[key]) if callable(value) else value

    return change


def drop_metric(key):
    def change(reply, message):
        metrics_of(reply).pop(key)

    return change


def put_fact(key, value):
    def change(reply, message):
        facts_of(reply)[key] = value

    return change


def scaled(factor):
    """The update, ``factor`` times as long."""

    def change(reply, message):
        for name, start in message.content.array_records[protocol.ARRAYS].items():
            sent = start.numpy().astype(np.float64)
            moved = sent + factor * (weights_of(reply)[name].numpy() - sent)
            weights_of(reply)[name] = Array(moved.astype(np.float32))

    return change


def filled(value):
    def change(reply, message):
        for name, array in list(weights_of(reply).items()):
            weights_of(reply)[name] = Array(np.full(array.shape, value, np.float32))

    return change


def without(record):
    def change(reply, message):
        reply.content.pop(record)

    return change


def rename_metrics(reply, message):
    reply.content["figures"] = reply.content.pop(protocol.METRICS)


def more(record):
    def change(reply, message):
        reply.content["more"] = record

    return change


def empty(reply, message):
    return Message(RecordDict(), reply_to=message)


def empty_records(reply, message):
    records = {protocol.ARRAYS: ArrayRecord(), protocol.METRICS: MetricRecord()}
    return Message(
        RecordDict(records | {protocol.METADATA: reply.content[protocol.METADATA]}),
        reply_to=message,
    )


def broken(reply, message):
    return Message(Error(code=0, reason="the node went away"), reply_to=message)


def error_line(reply, message):
    facts = ConfigRecord({"error": "no disk left", "exit-code": 5})
    return Message(RecordDict({protocol.METADATA: facts}), reply_to=message)


NO_RECORD = r"its records \[.*\] are on one side only"


NO_ARRAY = "'gate.bias' cannot be read as an array"


ONE_SIDE = r"its weights \['encoder.blocks.0.attention_norm.bias', .*\.\.\.$"  # cut short


NORM = r"its update has norm .*, the round's median is .*\(federation.outlier-limit = 100\)"


HOSTILE = [
    ("48_nan_weights", put_first(np.nan), "'gate.bias' hold NaN or infinity"),
    ("48_infinite_weights", put_first(-np.inf), "'gate.bias' hold NaN or infinity"),
    ("49_a_longer_array", put(np.zeros(4, np.float32)), r"have shape \(4,\), not \(3,\)"),
    ("49_an_array_that_broadcasts", put(np.zeros(1, np.float32)), r"shape \(1,\), not \(3,\)"),
    ("49_a_row_that_broadcasts", put(np.zeros((1, 3), np.float32)), r"shape \(1, 3\), not \(3,\)"),
    ("49_a_single_number", put(np.zeros((), np.float32)), r"have shape \(.*\), not \(3,\)"),
    ("49_no_number", put(np.zeros(0, np.float32)), r"have shape \(0,\), not \(3,\)"),
    ("50_float64_weights", other_dtype(np.float64), "'gate.bias' are float64, not float32"),
    ("50_whole_weights", other_dtype(np.int32), "'gate.bias' are int32, not float32"),
    ("50_weights_of_another_byte_order", other_dtype(">f4"), "'gate.bias' are >f4, not float32"),
    ("50_a_missing_name", leave_out, r"weights \['gate.bias'\] are on one side only"),
    ("50_an_extra_name", add_one, r"weights \['gate.other'\] are on one side only"),
    ("50_another_name", rename_weights, r"\['gate.bias', 'gate.other'\] are on one side only"),
    ("50_bytes_that_are_no_array", put_data(b"no array at all"), NO_ARRAY),
    ("50_no_bytes", put_data(b""), NO_ARRAY),
    ("50_a_pickle", put_data(b"cos\nsystem\n(S'true'\ntR.", "pickle"), NO_ARRAY),
    ("50_a_pickle_as_numpy", put_data(b"\x80\x04\x95cos\nsystem\n"), NO_ARRAY),
    ("50_an_archive", put_data(zipped()), NO_ARRAY),
    ("50_half_an_archive", put_data(zipped()[:40]), NO_ARRAY),
    ("50_objects", put_data(npy(
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }")), NO_ARRAY),
    ("50_a_shape_beyond_memory", put_data(npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }")), NO_ARRAY),
    ("50_a_shape_below_zero", put_data(npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }")), NO_ARRAY),
    ("50_a_header_that_never_ends", put_data(npy("{'descr': '<f4', 'shape': ((((")), NO_ARRAY),
    ("50_a_second_record_of_arrays", more(ArrayRecord({"x": Array(np.zeros(1))})), NO_RECORD),
    ("50_a_second_record_of_facts", more(ConfigRecord({"x": b"x" * 10**6})), NO_RECORD),
    ("50_facts_of_a_megabyte", put_fact("x", "x" * 10**6), "its record 'metadata' holds 1000"),
    ("50_a_second_record_of_metrics", more(MetricRecord({"x": 1.0})), NO_RECORD),
    ("51_num_examples_off_by_one", put_metric("num-examples", lambda n: n + 1), "num-examples is"),
    ("51_negative_num_examples", put_metric("num-examples", -5), "num-examples is -5, declared"),
    ("51_zero_num_examples", put_metric("num-examples", 0), "num-examples is 0, declared"),
    ("51_huge_num_examples", put_metric("num-examples", 2**62), "num-examples is 46116860"),
    ("51_num_examples_nan", put_metric("num-examples", math.nan), "num-examples is nan"),
    ("51_num_examples_as_a_float", put_metric("num-examples", float), "num-examples is"),
    ("51_num_examples_as_a_list", put_metric("num-examples", lambda n: [n]), "num-examples is"),
    ("51_no_num_examples", drop_metric("num-examples"), "num-examples is None"),
    ("51_no_trained_targets", drop_metric("trained-targets"), "trained-targets is None"),
    ("51_negative_trained_targets", put_metric("trained-targets", -1), "trained-targets is -1"),
    ("51_zero_trained_targets", put_metric("trained-targets", 0), "trained-targets is 0"),
    ("51_too_many_targets", put_metric("trained-targets", lambda n: n + 1), "expected 1 to"),
    ("52_a_thousand_times_the_update", scaled(1e3), NORM),
    ("52_a_million_times_the_update", scaled(1e6), NORM),
    ("52_a_minus_millionth_part_turned", scaled(-1e6), NORM),
    ("52_all_weights_1e30", filled(1e30), NORM),
    ("52_the_largest_number_there_is", filled(LARGEST), NORM),
    ("52_one_weight_out_of_all", put_first(1e9), NORM),
    ("53_a_stale_round", put_fact(protocol.ROUND, 0), "replies to round 0 instead of 1"),
    ("53_a_round_to_come", put_fact(protocol.ROUND, 2), "replies to round 2 instead of 1"),
    ("53_no_round", lambda r, m: facts_of(r).pop(protocol.ROUND) and None, "replies to round None"),
    ("53_another_partition", put_fact(protocol.PARTITION, 77), "says it is partition 77"),
    ("53_a_number_for_a_private_file", put_fact(protocol.PRIVATE, 7), "something else than a"),
    ("53_a_private_file_that_is_none", put_fact(protocol.PRIVATE, "../x"), "something else than"),
    ("54_an_empty_reply", empty, "sent no metadata"),
    ("54_empty_records", empty_records, "num-examples is None"),
    ("54_no_weights", without(protocol.ARRAYS), NO_RECORD),
    ("54_no_metrics", without(protocol.METRICS), NO_RECORD),
    ("54_no_metadata", without(protocol.METADATA), "sent no metadata"),
    ("54_no_arrays_in_the_record", lambda r, m: weights_of(r).clear(), ONE_SIDE),
    ("54_metrics_of_another_name", rename_metrics, NO_RECORD),
    ("55_a_loss_that_is_nan", put_metric("train-loss", math.nan), "training loss is nan"),
    ("55_an_infinite_loss", put_metric("train-loss", math.inf), "training loss is inf"),
    ("55_a_diverging_loss", put_metric("train-loss", 1e30), r"training loss is 1e\+30, expected"),
    ("55_a_loss_diverging_below", put_metric("train-loss", -1e30), r"loss is -1e\+30, exp"),
    ("55_a_loss_as_a_list", put_metric("train-loss", lambda x: [x]), r"training loss is \["),
    ("55_no_loss", drop_metric("train-loss"), "training loss is None"),
    ("a_node_that_fails", broken, "failed: the node went away"),
    ("a_client_that_says_why", error_line, "no disk left"),
]  # fmt: skip
