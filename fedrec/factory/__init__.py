"""From a run config to the objects it names.

Both sides of a federation and the centralised baseline open them here, so that the same config
means the same model everywhere.
"""

from typing import TYPE_CHECKING

from fedrec.lazy import lazy_exports

if TYPE_CHECKING:
    from fedrec.factory.checks import check_fit, check_ranking
    from fedrec.factory.data import PreparedData, open_prepared
    from fedrec.factory.model import device, make_model
    from fedrec.factory.table import open_table
    from fedrec.factory.training import (
        local_optimizer,
        make_cohort_loss,
        make_cohort_plan,
        make_loss,
        make_plan,
    )

__all__ = [
    "PreparedData",
    "check_fit",
    "check_ranking",
    "device",
    "local_optimizer",
    "make_cohort_loss",
    "make_cohort_plan",
    "make_loss",
    "make_model",
    "make_plan",
    "open_prepared",
    "open_table",
]

_HOMES = {
    "PreparedData": "data",
    "check_fit": "checks",
    "check_ranking": "checks",
    "device": "model",
    "local_optimizer": "training",
    "make_cohort_loss": "training",
    "make_cohort_plan": "training",
    "make_loss": "training",
    "make_model": "model",
    "make_plan": "training",
    "open_prepared": "data",
    "open_table": "table",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
