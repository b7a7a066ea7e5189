"""Leave-one-out split: the last event is the test item, the one before the validation item.

All earlier events are the training part. Only this file defines which event is held out.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedrec.data.sequences import Sequences, pieces
from fedrec.errors import DataError

Stage = Literal["validation", "test"]

# How many events at the end the model may not see at each stage.
HELD_OUT: dict[str, int] = {"validation": 2, "test": 1}


def training_part(sequences: Sequences, validates: NDArray[np.bool_] | None = None) -> Sequences:
    """Sequences without each user's last two events; users keep their number.

    Args:
        sequences: Sequences of U users.
        validates: (U,) Users whose validation item is held out, all of them if not given; that of
            the others is trained on, as in the published figures of RecTools (all users but 2,048)
            and gSASRec (all but 512).

    Raises:
        DataError: A user has fewer than 3 events.
    """
    _check_lengths(sequences)
    held_out = 2 if validates is None else np.where(validates, 2, 1)
    return pieces(sequences, sequences.offsets[:-1], sequences.offsets[1:] - held_out)


def targets(sequences: Sequences, stage: Stage) -> NDArray[np.int32]:
    """Held-out item of every user, (U,) int32.

    Raises:
        DataError: A user has fewer than 3 events.
    """
    _check_lengths(sequences)
    return np.asarray(sequences.items[sequences.offsets[1:] - HELD_OUT[stage]])


def before_targets(sequences: Sequences, stage: Stage) -> NDArray[np.bool_]:
    """Which events lie before their user's target, (T,); at "validation", the training parts.

    Raises:
        DataError: A user has fewer than 3 events.
    """
    _check_lengths(sequences)
    ends = np.repeat(sequences.offsets[1:], sequences.lengths())
    return np.asarray(np.arange(sequences.num_events) < ends - HELD_OUT[stage])


def history(sequences: Sequences, user: int, stage: Stage) -> NDArray[np.int32]:
    """Events of a user before the target, (n,) int32, a view of the array.

    At stage "test" that includes the validation item.
    """
    return sequences.of(user)[: -HELD_OUT[stage]]


def times_until(sequences: Sequences, user: int, stage: Stage) -> NDArray[np.int64]:
    """Times of a user's history and of the target behind it, (n + 1,) int64.

    Raises:
        DataError: Only the order of the events is known.
    """
    times = sequences.times_of(user)
    return times[: len(times) - HELD_OUT[stage] + 1]


def training_counts(sequences: Sequences, num_items: int) -> NDArray[np.int64]:
    """Events per item in the training parts, (V + 1,) int64; entry 0 is zero.

    Args:
        sequences: The whole sequences, not yet the training part.
        num_items: V.
    """
    return np.bincount(training_part(sequences).items, minlength=num_items + 1).astype(np.int64)


def _check_lengths(sequences: Sequences) -> None:
    lengths = sequences.lengths()
    if len(lengths) and lengths.min() < 3:
        user = int(np.argmax(lengths < 3))
        raise DataError(
            f"user {user} has {lengths[user]} events, leave-last-out needs 3 or more; "
            "prepare the data with data.min-user-events of 3 or more"
        )
