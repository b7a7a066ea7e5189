"""``check_loss``: whether a loss can train partitions, one-user clients and the baselines."""

from collections.abc import Callable

from torch import Tensor

from fedrec.config.handed_over import named
from fedrec.errors import FedrecError
from fedrec.testing.conformance import ConformanceError
from fedrec.testing.model_training import check_learning, check_side_by_side
from fedrec.testing.models import small_model
from fedrec.training.user_loss import find_loss


def check_loss(loss: str | Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a loss: one finite, differentiable number per target, by which a model learns.

    Args:
        loss: A value of ``loss.name``, or a function of the scores of N targets (N,) and of K
            negatives each (N, K) that returns N losses; see ``fedrec.training.user_loss``.

    Raises:
        ConformanceError: The first thing that does not hold, in one line.
    """
    name = named("loss", loss)
    try:
        find_loss(name)
    except FedrecError as error:
        raise ConformanceError(str(error)) from error
    check_learning(small_model("sasrec"), name)
    check_side_by_side(small_model("sasrec"), name)
