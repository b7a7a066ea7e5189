"""Is this sum of users' updates one that a mean may contain? Who is in it, and who is not?"""

from collections.abc import Callable, Mapping

import numpy as np
from flwr.app import Array, Message

from fedrec import protocol
from fedrec.models.parameters import NamedArrays
from server.reading import Trained, array_in, check_origin, checked_loss, read_weights
from server.replies import Dropped, RefusedError

NOT_FINITE = "its update or loss is NaN or infinite"
FIELDS = {
    "users": np.int64,
    "losses": np.float64,
    "norms": np.float64,
    "rows": np.int64,
    "left-out": np.int64,
}
TOUCHED = {"touched": np.float64}


def read_users(
    reply: Message,
    *,
    sent: NamedArrays,
    round: int,
    partition: int,
    asked: np.ndarray,
    targets_of: Callable[[np.ndarray], np.ndarray],
    num_items: int,
    is_uniform: bool,
    by_row: bool,
) -> Trained:
    """What a reply of a partition says of its chosen users; its update is their weighted mean.

    Args:
        reply: from a client that says it succeeded.
        sent: the weights that it was sent, float32.
        round: number of this round.
        partition: that of the node.
        asked: (n,) users that were asked to train.
        targets_of: training targets of one pass over users, as declared in the census.
        num_items: V.
        is_uniform: whether every user weighs the same, not its targets.
        by_row: whether it was asked who touched which row.

    Raises:
        RefusedError: it does not answer this round, or says something that cannot be.
    """
    content = reply.content
    facts = content.config_records[protocol.FACTS]
    check_origin(facts, round, partition)
    names = (set(content.array_records), set(content.metric_records))
    if names != ({protocol.ARRAYS, protocol.USERS}, {protocol.METRICS}):
        raise RefusedError("lacks the record of updates, users or metrics, or has more")
    each = _each(content.array_records[protocol.USERS], by_row)
    used, left_out = each["users"], each["left-out"]
    if not np.array_equal(np.sort(np.concatenate([used, left_out])), asked):
        raise RefusedError("answers for other users than those who were asked")
    if not len(used):
        raise RefusedError("holds no user's update")
    if not ((each["rows"] >= 1) & (each["rows"] <= num_items)).all():
        raise RefusedError(f"its users read fewer than 1 or more than {num_items} items")
    targets = targets_of(used)
    weight = len(used) if is_uniform else int(targets.sum())
    metrics = content.metric_records[protocol.METRICS]
    if metrics.get(protocol.NUM_EXAMPLES) != weight:
        raise RefusedError(
            f"the weight of its users is {metrics.get(protocol.NUM_EXAMPLES)!r}, "
            f"declared were {weight}"
        )
    losses = [checked_loss(loss) for loss in each["losses"].tolist()]
    touched = each.get("touched", np.zeros(0))
    if by_row and not (
        touched.shape == (num_items + 1,) and ((touched >= 0) & (touched <= weight)).all()
    ):
        raise RefusedError(f"its users' 'touched' are not {num_items + 1} weights up to {weight}")
    total = read_weights(content.array_records[protocol.ARRAYS], sent, np.dtype(np.float64))
    return Trained(
        reply,
        {name: array / weight for name, array in total.items()},
        float(np.average(losses, weights=targets)),
        int(targets.sum()),
        "",
        weight,
        len(used),
        [Dropped(partition, NOT_FINITE, user=int(user)) for user in left_out],
        used,
        each["rows"],
        touched,
    )


def _each(record: Mapping[str, Array], by_row: bool) -> NamedArrays:
    """What the reply says of each user."""
    fields = FIELDS | (TOUCHED if by_row else {})
    if set(record) != set(fields):
        raise RefusedError(
            f"its users' arrays {sorted(set(record) ^ set(fields))} are on one side only"
        )
    found: NamedArrays = {}
    for name, dtype in fields.items():
        array = array_in(record[name])
        if array is None or array.dtype != dtype or array.ndim != 1:
            raise RefusedError(f"its users' {name!r} is no array of {np.dtype(dtype)} in a row")
        found[name] = array
    if len({len(found[name]) for name in ("users", "losses", "norms", "rows")}) > 1:
        raise RefusedError("its users, losses, norms and rows are not equally many")
    return found
