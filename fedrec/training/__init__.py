"""Local training: batches, negatives, losses, dropout masks, optimiser steps."""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

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
    "Batch": "fedrec.training.batches",
    "CohortLoss": "fedrec.training.cohort.loss",
    "CohortPlan": "fedrec.training.cohort.plan",
    "CohortUpdate": "fedrec.training.cohort.update",
    "FitResult": "fedrec.training.local",
    "Objective": "fedrec.training.objective",
    "Plan": "fedrec.training.local",
    "StepSeeds": "fedrec.training.objective",
    "check_loss": "fedrec.training.user_loss",
    "collate": "fedrec.training.batches",
    "epoch_order": "fedrec.training.batches",
    "find_loss": "fedrec.training.user_loss",
    "fit": "fedrec.training.local",
    "make_objective": "fedrec.training.objective",
    "make_optimizer": "fedrec.training.local",
    "num_targets": "fedrec.training.batches",
    "objective_of": "fedrec.training.objective",
    "train_cohort": "fedrec.training.cohort.train",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
