"""From a run config to its training: objective, optimiser, plan of a round."""

import numpy as np
import torch
from torch import nn

from fedrec.config.config import Config
from fedrec.config.sections.loss import Loss
from fedrec.config.values.choices import BASELINE_MODELS, names_in
from fedrec.data.domains import Domains
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.factory.data import cold_items_of
from fedrec.factory.devices import uses_kernel
from fedrec.models.losses import LossOptions
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.domains import each_in_its_domain
from fedrec.training.local import Plan, make_optimizer
from fedrec.training.negatives import open_items
from fedrec.training.objective import Objective, make_objective
from fedrec.training.user_loss import find_loss


def make_loss(
    config: Config, training: Sequences, num_items: int, domains: Domains | None
) -> Objective:
    """The loss of a config over a catalogue of V items, or over that of each user's domain."""
    if config.model.name == "lora":
        from fedrec.llm.lora.objective import answer_objective

        return answer_objective
    loss, cold = config.loss, _cold_items(config, num_items)
    offered = domains.catalogues if domains else [np.arange(1, num_items + 1)]
    is_open = np.isin(np.arange(num_items + 1), open_items(num_items, cold))
    catalogues = [items[is_open[items]] for items in offered]
    least = min(len(items) for items in offered)
    options = LossOptions(num_candidates=least, negatives=loss.negatives)
    is_default = loss.negatives == Loss().negatives  # what draws takes no more than there are
    if find_loss(loss.name)(options).negatives > least and not is_default:
        raise ConfigError(too_many_negatives(config, least, domains))
    objectives = [
        make_objective(
            loss.name,
            training=training,
            catalogue=items,
            negatives=_how_many(config, items),
            log_q=loss.log_q,
            calibration=loss.calibration,
            own_history=loss.own_history,
            uses_kernel=uses_kernel(config),
        )
        for items in catalogues
    ]
    return each_in_its_domain(objectives, domains.of_user) if domains else objectives[0]


def too_many_negatives(config: Config, items: int, domains: Domains | None) -> str:
    """The line of a config with more negatives than the catalogue has items."""
    return (
        f"loss.negatives is {config.loss.negatives}, but the {'smallest ' if domains else ''}"
        f"catalogue has {items} items; lower loss.negatives or set loss.name = 'softmax'"
    )


def _cold_items(config: Config, num_items: int) -> tuple[int, ...]:
    return cold_items_of(config.scenario, seed=config.seed, num_items=num_items)


def _how_many(config: Config, known: np.ndarray) -> int:
    """Number of negatives: K, or all known items where cold ones leave fewer."""
    return min(config.loss.negatives, len(known))


def make_plan(config: Config, proximal_mu: float) -> Plan:
    """Plan of one round of local training."""
    local, model = config.local, config.model
    has_other_views = model.name not in BASELINE_MODELS and names_in(model.views) != ("identity",)
    return Plan(
        epochs=local.epochs,
        steps=local.steps,
        batch_size=local.batch_size,
        random_batches=local.batches == "random",
        max_length=model.max_length,
        windows=local.windows,
        dropout=model.dropout,
        # Without another view, an item without its identity would be no item at all.
        identity_dropout=model.identity_dropout if has_other_views else 0.0,
        mask_share=model.mask_share,
        proximal_mu=proximal_mu,
        clip_norm=local.clip_norm,
        schedule_rounds=local.schedule_rounds,
    )


def make_cohort_plan(config: Config, proximal_mu: float) -> CohortPlan:
    """Plan of the local training of each user, where every user is a client.

    ``local.epochs`` counts steps over all of a user's windows, where ``local.steps`` is 0.
    """
    local, plan, federation = config.local, make_plan(config, proximal_mu), config.federation
    return CohortPlan(
        steps=local.steps or local.epochs,
        learning_rate=local.learning_rate,
        schedule_rounds=local.schedule_rounds,
        optimizer=local.optimizer,
        beta_1=local.beta_1,
        beta_2=local.beta_2,
        epsilon=local.epsilon,
        weight_decay=local.weight_decay,
        max_length=plan.max_length,
        newest_windows=plan.windows,
        batch_size=local.batch_size if local.steps else 0,
        dropout=plan.dropout,
        identity_dropout=plan.identity_dropout,
        proximal_mu=proximal_mu,
        clip_norm=federation.clip_norm,
        outlier_limit=federation.outlier_limit,
        weighting=federation.weighting,
        upload=federation.upload,
        group_tokens=local.group_tokens,
    )


def make_cohort_loss(config: Config, num_items: int) -> CohortLoss:
    """The loss of users who train side by side, over a catalogue of V items."""
    loss, cold = config.loss, _cold_items(config, num_items)
    return CohortLoss(
        name=loss.name,
        num_items=num_items,
        negatives=_how_many(config, open_items(num_items, cold)),
        log_q=loss.log_q,
        calibration=loss.calibration,
        cold=cold,
        own_history=loss.own_history,
        uses_kernel=uses_kernel(config),
    )


def local_optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of local training, without state."""
    local = config.local
    return make_optimizer(
        model,
        local.optimizer,
        learning_rate=local.learning_rate,
        beta_1=local.beta_1,
        beta_2=local.beta_2,
        epsilon=local.epsilon,
        weight_decay=local.weight_decay,
    )
