"""Is this sum of users' updates one that a mean may contain? Who is in it, and who is not?

Where a user trains, its update is held against bounds that the server knows too
(``fedrec/training/bounds.py``), and left out alone if it is beyond. What an honest client can
therefore not send costs the whole reply.
"""

import math
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in
from fedrec.training.bounds import LARGEST_LOSS, largest_norm, norm_of
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.quantization import LEVELS
from server.replies.outcome import Excluded, RejectedReply
from server.replies.train import TrainReply, check_origin, checked_loss, read_weights

NOT_FINITE = "its update or loss is NaN or infinite"
OF_USED = {
    protocol.USER_NUMBERS: np.int64,
    protocol.LOSSES: np.float64,
    protocol.NORMS: np.float64,
    protocol.ROWS_READ: np.int64,
    protocol.TRAINED: np.int64,
}
OF_LEFT_OUT = {
    protocol.EXCLUDED: np.int64,
    protocol.TOO_LARGE: np.bool_,
    protocol.EXCLUDED_ROWS: np.int64,
}
TOUCHED = {protocol.ROW_WEIGHTS: np.float64}

SLACK = 1.01  # of norms and sums that are made in float32, and of rounding to float16
NOTHING = 1e-12  # times a weight: the squares of what is below are 0 in float32


def validate_users_reply(
    reply: Message,
    *,
    sent: NamedArrays,
    round: int,
    partition: int,
    asked: np.ndarray,
    targets_of: Callable[[np.ndarray], np.ndarray],
    num_items: int,
    plan: CohortPlan,
    rows: Collection[str],
    by_row: bool,
) -> TrainReply:
    """What a reply of a partition says of its chosen users; its update is their weighted mean.

    Users who all broke are an answer too: one without an update, of weight 0.

    Args:
        reply: from a client that says it succeeded.
        sent: the weights that it was sent, float32.
        round: number of this round.
        partition: that of the node.
        asked: (n,) users that were asked to train.
        targets_of: training targets of one pass over users, as declared in the registration.
        num_items: V.
        plan: what each user does in a round.
        rows: names of the weights with a row per item.
        by_row: whether it was asked who touched which row.

    Raises:
        RejectedReply: it does not answer this round, or says something that cannot be.
    """
    content = reply.content
    check_origin(content.config_records[protocol.FACTS], round, partition)
    names = (set(content.array_records), set(content.metric_records))
    if names != ({protocol.ARRAYS, protocol.USERS}, {protocol.METRICS}):
        raise RejectedReply("lacks the record of updates, users or metrics, or has more")
    each = _each(content.array_records[protocol.USERS], by_row)
    used, left_out = each[protocol.USER_NUMBERS], each[protocol.EXCLUDED]
    if not np.array_equal(np.sort(np.concatenate([used, left_out])), asked):
        raise RejectedReply("answers for other users than those who were asked")
    read = np.concatenate([each[protocol.ROWS_READ], each[protocol.EXCLUDED_ROWS]])
    if not ((read >= 1) & (read <= num_items)).all():
        raise RejectedReply(f"its users read fewer than 1 or more than {num_items} items")
    targets = targets_of(used)
    _check_trained(each[protocol.TRAINED], targets, plan)
    weights = np.array(plan.shares(targets.tolist()))
    weight = int(weights.sum())
    examples = content.metric_records[protocol.METRICS].get(protocol.NUM_EXAMPLES)
    if examples != weight:
        raise RejectedReply(f"the weight of its users is {examples!r}, declared were {weight}")
    losses = [checked_loss(loss) for loss in each[protocol.LOSSES].tolist()]
    total = read_weights(content.array_records[protocol.ARRAYS], sent, np.dtype(np.float64))
    reach = _reach(each[protocol.NORMS], sent, plan)
    _check_length(total, weights, reach)
    touched = each.get(protocol.ROW_WEIGHTS, np.zeros(0))
    if by_row:
        _check_touched(touched, weights, each[protocol.ROWS_READ], num_items)
        longest = float(reach.max(initial=0.0))
        _check_rows({name: total[name] for name in rows}, touched, longest)
    return TrainReply(
        reply,
        {name: array / max(weight, 1) for name, array in total.items()},
        float(np.average(losses, weights=each[protocol.TRAINED])) if losses else 0.0,
        int(each[protocol.TRAINED].sum()),
        "",
        weight,
        len(used),
        _reasons(each, partition, plan),
        np.concatenate([used, left_out]),
        read,
        touched,
    )


def _each(record: Mapping[str, Array], by_row: bool) -> NamedArrays:
    """What the reply says of each user."""
    fields = OF_USED | OF_LEFT_OUT | (TOUCHED if by_row else {})
    if set(record) != set(fields):
        raise RejectedReply(
            f"its users' arrays {sorted(set(record) ^ set(fields))} are on one side only"
        )
    found: NamedArrays = {}
    for name, dtype in fields.items():
        array = array_in(record[name])
        if array is None or array.dtype != dtype or array.ndim != 1:
            raise RejectedReply(f"its users' {name!r} is no array of {np.dtype(dtype)} in a row")
        found[name] = array
    for names in (OF_USED, OF_LEFT_OUT):
        for one, other in pairwise(names):
            if len(found[one]) != len(found[other]):
                raise RejectedReply(f"its users' {one!r} and {other!r} are not equally many")
    return found


def _check_trained(trained: np.ndarray, targets: np.ndarray, plan: CohortPlan) -> None:
    """Refuse targets (n,) that the steps of users with ``targets`` (n,) a pass cannot have."""
    least = most = targets
    if plan.batch_size:
        full = plan.batch_size * plan.max_length
        # Of the windows of a step, one may be short; who has fewer windows reads all of them.
        least = np.where(targets > full, full - plan.max_length + 1, targets)
        most = np.minimum(targets, full)
    if not ((trained >= plan.steps * least) & (trained <= plan.steps * most)).all():
        raise RejectedReply(
            f"its users trained on {trained.sum()} targets in {plan.steps} steps, declared were "
            f"{targets.sum()} a pass"
        )


def _reach(norms: np.ndarray, sent: NamedArrays, plan: CohortPlan) -> np.ndarray:
    """(n,) the longest that what arrives of each user's update can be, given what it says."""
    largest = largest_norm(sent.values(), plan.outlier_limit)
    unknown = np.isnan(norms) if plan.is_one_gradient else np.zeros(len(norms), dtype=bool)
    if not (unknown | ((norms >= 0) & (norms <= SLACK * largest))).all():
        raise RejectedReply(
            f"its users' updates have norms up to {norms.max():.3g}, expected numbers up to "
            f"{largest:.3g} (federation.outlier-limit = {plan.outlier_limit:g})"
        )
    reach = np.where(unknown, largest, norms)
    if plan.clip_norm > 0:
        reach = np.minimum(reach, plan.clip_norm)
    stretch = SLACK
    if plan.upload == "int8":  # each number of an array may move by a level of its largest
        stretch += math.sqrt(max(array.size for array in sent.values())) / LEVELS
    return np.asarray(stretch * reach + NOTHING)


def _check_length(total: NamedArrays, weights: np.ndarray, reach: np.ndarray) -> None:
    """Refuse a sum that is longer than its parts; a sum of nobody's updates is 0."""
    norm, longest = norm_of(total.values()), float(weights @ reach)
    if norm > longest:
        raise RejectedReply(
            f"its sum of updates has norm {norm:.3g}, those of its users add up to {longest:.3g}"
        )


def _check_touched(
    touched: np.ndarray, weights: np.ndarray, rows: np.ndarray, num_items: int
) -> None:
    """Refuse weights of who touched each row that do not add up to what the users read."""
    if not (
        touched.shape == (num_items + 1,)
        and ((touched >= 0) & (touched <= weights.sum())).all()
        and touched[0] == 0
    ):
        raise RejectedReply(
            f"its users' {protocol.ROW_WEIGHTS!r} are not {num_items + 1} weights "
            f"up to {weights.sum():g}, 0 first"
        )
    read = float(weights @ rows)
    if not math.isclose(touched.sum(), read, rel_tol=1e-9):
        raise RejectedReply(
            f"its users' {protocol.ROW_WEIGHTS!r} add up to {touched.sum():g}, they read "
            f"rows of weight {read:g}"
        )


def _check_rows(total: NamedArrays, touched: np.ndarray, longest: float) -> None:
    """Refuse a row that moved further than those who touched it can go; row 0 is padding."""
    for name, array in total.items():
        norms = np.sqrt(np.square(array.reshape(len(array), -1)).sum(axis=1))
        far = np.flatnonzero(norms[1:] > touched[1:] * longest) + 1
        if len(far):
            raise RejectedReply(
                f"its row {far[0]} of {name!r} has a sum of norm {norms[far[0]]:.3g}, but weight "
                f"{touched[far[0]]:g} touched it, each by {longest:.3g} or less"
            )


def _reasons(each: NamedArrays, partition: int, plan: CohortPlan) -> list[Excluded]:
    """The users that are not in the sum, and why."""
    too_large = (
        f"its update is more than {plan.outlier_limit:g} times as long as the weights "
        f"(federation.outlier-limit), or its loss above {LARGEST_LOSS:g}"
    )
    return [
        Excluded(partition, too_large if is_finite else NOT_FINITE, user=user)
        for user, is_finite in zip(
            each[protocol.EXCLUDED].tolist(), each[protocol.TOO_LARGE].tolist(), strict=True
        )
    ]
