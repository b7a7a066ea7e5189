"""The cloze task: some items of a row are hidden, and named from what stands on both sides.

The recipe is that of BERT4Rec's own code (Sun et al., CIKM 2019), the one that its systematic
replication found to reach the published numbers, if it is trained for long enough (Petrov &
Macdonald, RecSys 2022): of each row a fixed share is hidden, always replaced by the mask; and of
11 rows on average one has only its last item hidden, as the next one is at inference (there, ten
random copies of a sequence are followed by one of that kind). Its sliding windows are
``local.windows`` here.
"""

import numpy as np

from fedrec.randomness import generator
from fedrec.training.batches import Batch

LAST_ALONE = 1 / 11


def cloze(
    batch: Batch, share: float, *, max_length: int, seed: int, round: int, step: int
) -> Batch:
    """Hide items of each row of a batch; what is hidden becomes the target in its own place.

    A row of inputs and its last target are one sequence; where it is longer than the model reads,
    its first item goes. Windows of a user overlap in just that item, so none is hidden twice. The
    holes of a user follow from seed, round, step and user alone.

    Args:
        batch: inputs and next items.
        share: of a row's items that are hidden, at least one and never all.
        max_length: longest row.
        seed: of the run.
        round: from 1.
        step: from 0.
    """
    lengths = np.minimum(batch.lengths + 1, max_length)
    items = np.zeros((len(lengths), int(lengths.max())), dtype=np.int64)
    targets = np.zeros_like(items)
    streams: dict[int, np.random.Generator] = {}
    for row, (user, inputs) in enumerate(zip(batch.users.tolist(), batch.lengths, strict=True)):
        if user not in streams:
            streams[user] = generator(seed, "masks", round, step, user)
        length = int(lengths[row])
        whole = np.append(batch.items[row, :inputs], batch.targets[row, inputs - 1])[-length:]
        hidden = _holes(length, share, streams[user])
        targets[row, hidden] = whole[hidden]
        items[row, :length] = whole
        items[row, hidden] = 0
    return Batch(users=batch.users, items=items, targets=targets, lengths=lengths)


def _holes(length: int, share: float, stream: np.random.Generator) -> np.ndarray:
    """Places that are hidden in a row of 2 items or more."""
    if stream.random() < LAST_ALONE:
        return np.array([length - 1])
    count = min(length - 1, max(1, round(share * length)))
    return stream.choice(length, size=count, replace=False)
