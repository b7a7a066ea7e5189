"""From a config to a fitted model, with the parts that clients of a federation train with."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from fedrec.config.config import Config
from fedrec.data.preparation.store import Dataset
from fedrec.data.splits import Stage
from fedrec.evaluation.leave_one_out import HeldOutRanks, leave_one_out_ranks
from fedrec.evaluation.metrics import summary
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.checks import check_fit
from fedrec.factory.data import PreparedData, open_prepared
from fedrec.factory.evaluation import evaluated
from fedrec.factory.fit_defaults import fit_defaults
from fedrec.factory.model import make_model
from fedrec.factory.training import local_optimizer, make_loss, make_plan
from fedrec.files.machine import usual_threads
from fedrec.models.recommender import Recommender
from fedrec.semantics.table import EmbeddingTable
from fedrec.training.centralised import Epoch, fit_epochs

SELECTED_BY = "NDCG@10"  # on validation items, as in a federation


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained model with what it was trained on.

    Attributes:
        config: Of the estimator, with the prepared folder as its source.
        prepared: Events, and what the model gets to see of them.
        frequency: (V + 1,) int64 training events of each item.
        table: Frozen embedding table of the items' texts, or none where the model reads none.
        model: With the weights of the best epoch.
        history: All epochs.
    """

    config: Config
    prepared: PreparedData
    frequency: np.ndarray
    table: EmbeddingTable | None
    model: Recommender
    history: list[Epoch]

    @property
    def dataset(self) -> Dataset:
        """All events."""
        return self.prepared.dataset


def fitted(
    config: Config, *, threads: int | None = None, on_epoch: Callable[[Epoch], object]
) -> Fitted:
    """Train the model of a config on all of its data, without a federation.

    Args:
        config: Of one client that holds everybody; see ``estimator_config``.
        threads: Threads of torch; another number gives other sums. OMP_NUM_THREADS if none, else
            all usable cores.
        on_epoch: Called with each epoch.

    Raises:
        FedrecError: The data or the machine cannot meet the config, or training diverged.
    """
    with computing(threads):
        config = fit_defaults(config)
        check_fit(config)
        made = untrained(config)

        def validate(model: Recommender) -> float:
            main = config.evaluation.main_protocol
            ranks = held_out_ranks(made, "validation", main).ranks[main]
            return summary(ranks[~np.isnan(ranks)])[SELECTED_BY]

        history = fit_epochs(
            made.model,
            local_optimizer(config, made.model),
            make_loss(
                config,
                made.prepared.model_view.training,
                made.dataset.catalog.num_items,
                made.dataset.domains,
            ),
            made.prepared.model_view.training,
            all_users(made.dataset),
            plan=make_plan(config, proximal_mu=0.0),
            seed=config.seed,
            epochs=config.federation.rounds,
            validate=validate,
            evaluate_every=config.federation.evaluate_every,
            patience=config.federation.patience,
            on_epoch=on_epoch,
        )
    return dataclasses.replace(made, history=history)


def untrained(config: Config, table: EmbeddingTable | None = None) -> Fitted:
    """The data of a config and its model with initial weights.

    Args:
        config: Of an estimator.
        table: The frozen embedding table, where it was saved; made from the texts otherwise.
    """
    prepared = open_prepared(config)
    dataset = prepared.dataset
    counts = np.bincount(prepared.view.training.items, minlength=dataset.catalog.num_items + 1)
    counts[0] = 0  # padding is no event
    table = table or prepared.table
    model = make_model(config, dataset.catalog, table, counts, all_users(dataset))
    return Fitted(
        config=config,
        prepared=prepared,
        frequency=counts,
        table=table,
        model=model,
        history=[],
    )


def held_out_ranks(made: Fitted, stage: Stage, protocol: str) -> HeldOutRanks:
    """Ranks of the held-out items of all who are evaluated, as a federation makes them."""
    config, num_items = made.config, made.dataset.catalog.num_items
    return leave_one_out_ranks(
        model_scorer(made.model, num_items, config.model.max_length),
        made.dataset.sequences,
        np.flatnonzero(evaluated(config, made.dataset.sequences.num_users, stage)),
        stage=stage,
        protocols=[protocol],
        num_items=num_items,
        counts=made.frequency,
        seed=config.seed,
        fixed=made.prepared.fixed_candidates,
        domains=made.dataset.domains,
        inputs=made.prepared.view.before(stage),
        with_times=made.model.needs_times,
    )


def all_users(dataset: Dataset) -> np.ndarray:
    """(U,) int64 numbers of all users."""
    return np.arange(dataset.sequences.num_users)


@contextlib.contextmanager
def computing(threads: int | None = None) -> Iterator[None]:
    """Give torch some threads, the usual number if none, and numpy's BLAS one, as runs do."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or usual_threads())
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
