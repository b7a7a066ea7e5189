"""Validation of train replies where every user is a client: a sum of updates, and who is in it.

Where a user trains, its update is checked against bounds that the server knows too
(``fedrec/training/updates/bounds.py``), and that user alone is excluded if it is beyond. What an
honest client can therefore not send makes the server reject the whole reply.
"""

import math
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.updates.bounds import LARGEST_LOSS, largest_norm, norm_of
from fedrec.training.updates.quantization import LEVELS
from server.replies.outcome import RejectedReply
from server.replies.train import (
    TrainReply,
    check_origin,
    check_records,
    checked_loss,
    read_weights,
)
from server.sampling.excluded import Excluded

NOT_FINITE = "its update or loss is NaN or infinite"
SUMMED_FIELDS = {
    protocol.USER_NUMBERS: np.int64,
    protocol.LOSSES: np.float64,
    protocol.NORMS: np.float64,
    protocol.ROWS_READ: np.int64,
    protocol.TRAINED: np.int64,
}
EXCLUDED_FIELDS = {
    protocol.EXCLUDED: np.int64,
    protocol.TOO_LARGE: np.bool_,
    protocol.EXCLUDED_ROWS: np.int64,
}
SPARSE_FIELDS = {protocol.ROW_WEIGHTS: np.float64}

TOLERANCE = 1.01  # factor for norms and sums that are made in float32, and for float16
UNDERFLOW = 1e-12  # the squares of smaller numbers are 0 in float32


def validate_users_reply(
    reply: Message,
    *,
    sent: NamedArrays,
    round: int,
    partition: int,
    sampled: np.ndarray,
    targets_of: Callable[[np.ndarray], np.ndarray],
    num_items: int,
    plan: CohortPlan,
    item_rows: Collection[str],
    is_sparse: bool,
) -> TrainReply:
    """Validate a train reply about sampled users; its update is their weighted mean.

    A reply whose users all diverged is valid too: it has no update, and weight 0.

    Args:
        reply: Reply of a client that reports success.
        sent: Weights that it was sent, float32.
        round: Number of the round.
        partition: Partition of the node that sent it.
        sampled: (n,) Sampled users, which were sent the model, ascending.
        targets_of: Function from users (n,) to their training targets (n,) of one pass, as declared
            in the registration.
        num_items: V.
        plan: Local training of each user in a round.
        item_rows: Names of the weights with a row per item.
        is_sparse: Whether item rows are averaged over the users who read them.

    Raises:
        RejectedReply: It belongs to another round (staleness) or holds impossible values.
    """
    content = reply.content
    check_origin(content.config_records[protocol.METADATA], round, partition)
    check_records(content, protocol.ARRAYS, protocol.USERS, protocol.METRICS, protocol.METADATA)
    each = _user_arrays(content.array_records[protocol.USERS], is_sparse)
    summed, excluded = each[protocol.USER_NUMBERS], each[protocol.EXCLUDED]
    if not np.array_equal(np.sort(np.concatenate([summed, excluded])), sampled):
        raise RejectedReply("replies for other users than those that were sampled")
    read = np.concatenate([each[protocol.ROWS_READ], each[protocol.EXCLUDED_ROWS]])
    if not ((read >= 1) & (read <= num_items)).all():
        raise RejectedReply(f"its users read fewer than 1 or more than {num_items} items")
    targets = targets_of(summed)
    _check_trained(each[protocol.TRAINED], targets, plan)
    weights = np.array(plan.shares(targets.tolist()))
    weight = int(weights.sum())
    examples = content.metric_records[protocol.METRICS].get(protocol.NUM_EXAMPLES)
    if examples != weight:
        raise RejectedReply(f"the weight of its users is {examples!r}, declared were {weight}")
    losses = [checked_loss(loss) for loss in each[protocol.LOSSES].tolist()]
    total = read_weights(content.array_records[protocol.ARRAYS], sent, np.dtype(np.float64))
    longest = _norm_bounds(each[protocol.NORMS], sent, plan)
    _check_norm(total, weights, longest)
    row_weights = each.get(protocol.ROW_WEIGHTS, np.zeros(0))
    if is_sparse:
        _check_row_weights(row_weights, weights, each[protocol.ROWS_READ], num_items)
        sums = {name: total[name] for name in item_rows}
        _check_rows(sums, row_weights, float(longest.max(initial=0.0)))
    return TrainReply(
        reply=reply,
        update={name: array / max(weight, 1) for name, array in total.items()},
        loss=float(np.average(losses, weights=each[protocol.TRAINED])) if losses else 0.0,
        targets=int(each[protocol.TRAINED].sum()),
        private="",
        weight=weight,
        clients=len(summed),
        excluded=_excluded(each, partition, plan),
        users=np.concatenate([summed, excluded]),
        rows=read,
        row_weights=row_weights,
    )


def _user_arrays(record: Mapping[str, Array], is_sparse: bool) -> NamedArrays:
    """Validate names, types and lengths of the arrays about users."""
    fields = SUMMED_FIELDS | EXCLUDED_FIELDS | (SPARSE_FIELDS if is_sparse else {})
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
    for names in (SUMMED_FIELDS, EXCLUDED_FIELDS):
        for one, other in pairwise(names):
            if len(found[one]) != len(found[other]):
                raise RejectedReply(f"its users' {one!r} and {other!r} are not equally many")
    return found


def _check_trained(trained: np.ndarray, targets: np.ndarray, plan: CohortPlan) -> None:
    """Reject ``trained`` targets (n,) that users with ``targets`` (n,) a pass cannot have."""
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


def _norm_bounds(norms: np.ndarray, sent: NamedArrays, plan: CohortPlan) -> np.ndarray:
    """Upper bounds (n,) of the norms of the users' updates as they arrive, from ``norms`` (n,)."""
    largest = largest_norm(sent.values(), plan.outlier_limit)
    unknown = np.isnan(norms) if plan.is_one_gradient else np.zeros(len(norms), dtype=bool)
    if not (unknown | ((norms >= 0) & (norms <= TOLERANCE * largest))).all():
        raise RejectedReply(
            f"its users' updates have norms up to {norms.max():.3g}, expected numbers up to "
            f"{largest:.3g} (federation.outlier-limit = {plan.outlier_limit:g})"
        )
    bounds = np.where(unknown, largest, norms)
    if plan.clip_norm > 0:
        bounds = np.minimum(bounds, plan.clip_norm)
    stretch = TOLERANCE
    if plan.upload == "int8":  # each number may be off by one level of its array's largest
        stretch += math.sqrt(max(array.size for array in sent.values())) / LEVELS
    return np.asarray(stretch * bounds + UNDERFLOW)


def _check_norm(total: NamedArrays, weights: np.ndarray, longest: np.ndarray) -> None:
    """Reject a sum that is longer than the sum of its parts; a sum of no updates is 0."""
    norm, bound = norm_of(total.values()), float(weights @ longest)
    if norm > bound:
        raise RejectedReply(
            f"its sum of updates has norm {norm:.3g}, those of its users add up to {bound:.3g}"
        )


def _check_row_weights(
    row_weights: np.ndarray, weights: np.ndarray, rows: np.ndarray, num_items: int
) -> None:
    """Reject row weights (V + 1,) that do not add up to the rows (n,) that the users read."""
    if not (
        row_weights.shape == (num_items + 1,)
        and ((row_weights >= 0) & (row_weights <= weights.sum())).all()
        and row_weights[0] == 0
    ):
        raise RejectedReply(
            f"its users' {protocol.ROW_WEIGHTS!r} are not {num_items + 1} weights "
            f"up to {weights.sum():g}, 0 first"
        )
    read = float(weights @ rows)
    if not math.isclose(row_weights.sum(), read, rel_tol=1e-9):
        raise RejectedReply(
            f"its users' {protocol.ROW_WEIGHTS!r} add up to {row_weights.sum():g}, they read "
            f"rows of weight {read:g}"
        )


def _check_rows(sums: NamedArrays, row_weights: np.ndarray, longest: float) -> None:
    """Reject a row whose sum is longer than the users who read it can make; row 0 is padding."""
    for name, array in sums.items():
        norms = np.sqrt(np.square(array.reshape(len(array), -1)).sum(axis=1))
        far = np.flatnonzero(norms[1:] > row_weights[1:] * longest) + 1
        if len(far):
            raise RejectedReply(
                f"its row {far[0]} of {name!r} has a sum of norm {norms[far[0]]:.3g}, but users of "
                f"weight {row_weights[far[0]]:g} read it, each with {longest:.3g} or less"
            )


def _excluded(each: NamedArrays, partition: int, plan: CohortPlan) -> list[Excluded]:
    """Users that are not in the sum, with the reason."""
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
