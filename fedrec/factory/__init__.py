"""From a run config to the objects it names.

Both sides of a federation and the centralised baseline open them here, so that the same config
means the same model everywhere.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.factory.checks import check_fit, check_ranking
    from fedrec.factory.data import PreparedData, open_prepared
    from fedrec.factory.devices import device
    from fedrec.factory.model import make_model
    from fedrec.factory.run_folder import run_path
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
    "run_path",
]

_HOMES = {
    "PreparedData": "fedrec.factory.data",
    "check_fit": "fedrec.factory.checks",
    "check_ranking": "fedrec.factory.checks",
    "device": "fedrec.factory.devices",
    "local_optimizer": "fedrec.factory.training",
    "make_cohort_loss": "fedrec.factory.training",
    "make_cohort_plan": "fedrec.factory.training",
    "make_loss": "fedrec.factory.training",
    "make_model": "fedrec.factory.model",
    "make_plan": "fedrec.factory.training",
    "open_prepared": "fedrec.factory.data",
    "open_table": "fedrec.factory.table",
    "run_path": "fedrec.factory.run_folder",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
