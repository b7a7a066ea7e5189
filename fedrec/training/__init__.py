"""Local training: batches, negatives, losses, dropout masks, optimiser steps."""

from typing import TYPE_CHECKING

from fedrec.lazy import lazy_exports

if TYPE_CHECKING:
    from fedrec.training.batches import Batch, collate, epoch_order, num_targets
    from fedrec.training.cohort.loss import CohortLoss
    from fedrec.training.cohort.plan import CohortPlan
    from fedrec.training.cohort.train import train_cohort
    from fedrec.training.cohort.update import CohortUpdate
    from fedrec.training.local import FitResult, Plan, fit, make_optimizer
    from fedrec.training.objective import Objective, StepSeeds, make_objective, objective_of
    from fedrec.training.user_loss import check_loss, find_loss

__all__ = [
    "Batch",
    "CohortLoss",
    "CohortPlan",
    "CohortUpdate",
    "FitResult",
    "Objective",
    "Plan",
    "StepSeeds",
    "check_loss",
    "collate",
    "epoch_order",
    "find_loss",
    "fit",
    "make_objective",
    "make_optimizer",
    "num_targets",
    "objective_of",
    "train_cohort",
]

_HOMES = {
    "Batch": "batches",
    "CohortLoss": "cohort.loss",
    "CohortPlan": "cohort.plan",
    "CohortUpdate": "cohort.update",
    "FitResult": "local",
    "Objective": "objective",
    "Plan": "local",
    "StepSeeds": "objective",
    "check_loss": "user_loss",
    "collate": "batches",
    "epoch_order": "batches",
    "find_loss": "user_loss",
    "fit": "local",
    "make_objective": "objective",
    "make_optimizer": "local",
    "num_targets": "batches",
    "objective_of": "objective",
    "train_cohort": "cohort.train",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
