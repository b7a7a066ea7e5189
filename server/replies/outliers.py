"""Outlier detection over the replies of a round, where a partition is a client."""

import math
import statistics
from collections.abc import Mapping

from fedrec.models.parameters import NamedArrays
from fedrec.training.updates.bounds import norm_of
from server.replies.train import TrainReply

HARMLESS = 1e-4  # times the norm of the weights: a median below it counts as this much


def find_outliers(
    replies: Mapping[int, TrainReply], sent: NamedArrays, limit: float
) -> dict[int, str]:
    """Find partitions whose update or loss is out of all proportion, with the reason.

    A number is out of proportion beyond ``limit`` times the round's median: fewer than half of the
    clients cannot move that. Noise adds up with the root of the steps, so a client that trained on
    more targets than the median may go further by the root of that ratio. (Where a Dirichlet draw
    gave one client 62 times the median's targets, its updates were 8 times as long with Adam and
    22 times with SGD.) Where malicious clients are the majority, or alone, an update is also
    compared with the weights themselves. An update that would hardly move the weights is never
    excluded.

    Args:
        replies: Partition -> its validated reply.
        sent: Weights that the updates start from.
        limit: ``federation.outlier-limit``.
    """
    if not replies:
        return {}
    size = norm_of(sent.values())
    norms = {partition: one.norm() for partition, one in replies.items()}
    # The lower of the two in the middle: of two clients, a malicious one must not be half of the
    # median. An update of zeros measures nothing.
    median_norm = statistics.median_low([norm for norm in norms.values() if norm] or [0.0])
    median_loss = statistics.median_low([one.loss for one in replies.values()])
    median_targets = statistics.median_low([one.targets for one in replies.values()])
    found = {}
    for partition, one in replies.items():
        further = math.sqrt(max(1.0, one.targets / median_targets))
        largest = limit * min(max(median_norm * further, HARMLESS * size), max(size, 1.0))
        if norms[partition] > largest:
            found[partition] = (
                f"its update has norm {norms[partition]:.3g}, the round's median is "
                f"{median_norm:.3g} (federation.outlier-limit = {limit:g})"
            )
        elif one.loss > limit * max(median_loss, 1.0):
            found[partition] = (
                f"its training loss is {one.loss:.3g}, the round's median is {median_loss:.3g} "
                f"(federation.outlier-limit = {limit:g})"
            )
    return found
