"""``fedrec.evaluate``: metrics of any callable that scores items, with their intervals."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, get_args, runtime_checkable

import numpy as np

from fedrec.config.handed_over import named
from fedrec.config.values.checks import one_of, refuse
from fedrec.config.values.choices import PROTOCOLS
from fedrec.data.preparation.store import Dataset
from fedrec.data.splits import Stage, training_part
from fedrec.errors import ConfigError, DataError, EvaluationError
from fedrec.evaluation.bootstrap import intervals
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import HeldOutRanks, Scorer, Scores, leave_one_out_ranks
from fedrec.evaluation.metrics import (
    CUTOFFS,
    NO_USER_METRICS,
    SELECTING_CUTOFF,
    UserMetric,
    check_cutoffs,
    per_user,
)
from fedrec.evaluation.protocols import candidates_of, metric_label, refuse_unranked
from fedrec.evaluation.user_metrics import load_user_metrics

if TYPE_CHECKING:
    import pandas as pd


AnyScorer = Callable[..., Any]
STAGES = get_args(Stage)


@runtime_checkable
class FittedModel(Protocol):
    """A fitted estimator, as far as its evaluation on a dataset needs it."""

    @property
    def scorer(self) -> AnyScorer:
        """Scorer of histories of item numbers."""
        ...

    @property
    def item_ids(self) -> list[str]:
        """Ids of the V items that the scorer numbers from 1."""
        ...


def evaluate(
    scorer: "AnyScorer | FittedModel",
    dataset: Dataset,
    protocol: str = "full",
    stage: Stage = "test",
    *,
    at: Sequence[int] = CUTOFFS,
    metrics: Sequence[Callable[..., Any]] = (),
    seed: int = 0,
    resamples: int = 1000,
) -> "pd.DataFrame":
    """Evaluate a scorer leave-one-out: rank every user's held-out item, average the metrics.

    Args:
        scorer: ``scorer(histories)`` or ``scorer(histories, users)``. ``histories`` are the item
            numbers (1..V, oldest first) of B users, ``users`` (B,) their numbers in
            ``dataset.user_ids``; it returns scores (B, V) of the items in the order of
            ``dataset.catalog.item_ids``, or (B, V + 1) with a first column that is ignored, as an
            array, a tensor or ``Scores``. The baselines of ``fedrec.baselines`` are such scorers;
            of a fitted estimator, its scorer is taken.
        dataset: Prepared data.
        protocol: One of ``fedrec.config.values.choices.PROTOCOLS`` but "ncf-99".
        stage: "test" (the last event of each user) or "validation" (the one before it).
        at: Cut-offs k of HR@k and NDCG@k.
        metrics: Metrics of your own, as ``fedrec.evaluation.user_metrics`` describes.
        seed: Seed of sampled candidates and of the bootstrap.
        resamples: Bootstrap resamples of the 95 % intervals.

    Returns:
        One row per metric, indexed by its name ("NDCG@10 (99 sampled)" under a sampled protocol),
        with the columns value, low, high and users: how many have a rank. Under a sampled protocol,
        a user with too few items outside the history has none.

    Raises:
        ConfigError: No scorer, an unknown protocol or stage, or cut-offs beyond the catalogue.
        DataError: Not a Dataset, or another catalogue than the estimator was fitted on.
        EvaluationError: Scores of another shape, or NaN.
    """
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"dataset must be a fedrec.Dataset, got {type(dataset).__name__}; make one with "
            "fedrec.Dataset.from_frame or fedrec.Dataset.load"
        )
    drawn = tuple(name for name in PROTOCOLS if name != "ncf-99")
    refuse([one_of("protocol", protocol, drawn), one_of("stage", stage, STAGES)])
    scorer = _scorer_of(scorer, dataset)
    num_items = dataset.catalog.num_items
    if tuple(at) == CUTOFFS:  # the default follows the data
        at = [k for k in at if k <= num_items or k == SELECTING_CUTOFF]
    check_cutoffs(at, num_items)
    held_out = leave_one_out_ranks(
        checked_scorer(scorer, num_items),
        dataset.sequences,
        np.arange(dataset.sequences.num_users),
        stage=stage,
        protocols=[protocol],
        num_items=num_items,
        counts=training_counts(dataset),
        seed=seed,
        domains=dataset.domains,
        with_times=False,
    )
    own = load_user_metrics([named("metric", metric) for metric in metrics])
    return metrics_frame(
        held_out, protocol, stage, at=at, user_metrics=own, seed=seed, resamples=resamples
    )


def _scorer_of(scorer: "AnyScorer | FittedModel", dataset: Dataset) -> AnyScorer:
    """The scorer itself, or that of a fitted estimator."""
    if isinstance(scorer, FittedModel):
        if scorer.item_ids != dataset.catalog.item_ids:
            raise DataError(
                "the dataset has other items than the estimator was fitted on, so that their "
                "numbers do not agree; evaluate on the dataset of fit, or fit on this one"
            )
        return scorer.scorer
    if not callable(scorer):
        raise ConfigError(
            "scorer must be a function of histories or a fitted estimator, got "
            f"{type(scorer).__name__}"
        )
    return scorer


def training_counts(dataset: Dataset) -> np.ndarray:
    """(V + 1,) int64 training events of each item; 0 for padding."""
    counts = np.bincount(
        training_part(dataset.sequences).items, minlength=dataset.catalog.num_items + 1
    )
    counts[0] = 0
    return counts


def checked_scorer(scorer: AnyScorer, num_items: int) -> Scorer:
    """A user's callable as a scorer of ``fedrec.evaluation``, with its scores checked.

    Raises:
        EvaluationError: When called: scores of another shape than (B, V) or (B, V + 1).
    """
    takes_users = _takes_users(scorer)

    def score(
        histories: Sequence[np.ndarray], users: np.ndarray | None = None, *_: object
    ) -> Scores:
        found = scorer(histories, users) if takes_users else scorer(histories)
        if isinstance(found, Scores):
            return found
        if hasattr(found, "detach"):  # a tensor
            found = found.detach().cpu().numpy()
        scores = np.asarray(found)
        if scores.shape == (len(histories), num_items):
            scores = np.insert(scores, 0, 0.0, axis=1)
        if scores.shape != (len(histories), num_items + 1):
            raise EvaluationError(
                f"the scorer returned shape {scores.shape} for {len(histories)} users, expected "
                f"({len(histories)}, {num_items}): one score per item of the catalogue"
            )
        return Scores(scores, no_gates())

    return score


def _takes_users(scorer: AnyScorer) -> bool:
    try:
        parameters = inspect.signature(scorer).parameters.values()
    except (TypeError, ValueError):  # written in C
        return False
    kinds = inspect.Parameter
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 or any(p.kind is kinds.VAR_POSITIONAL for p in parameters)


def metrics_frame(
    held_out: HeldOutRanks,
    protocol: str,
    stage: Stage,
    *,
    at: Sequence[int] = CUTOFFS,
    user_metrics: Mapping[str, UserMetric] = NO_USER_METRICS,
    seed: int = 0,
    resamples: int = 1000,
    label: str = "",
) -> "pd.DataFrame":
    """Metrics of one protocol with their 95 % intervals over users, as ``evaluate`` returns them.

    Args:
        held_out: Ranks of U users.
        protocol: The protocol that made them.
        stage: Names the bootstrap's stream, as in a run.
        at: Cut-offs k.
        user_metrics: Further metrics by name.
        seed: Seed of the bootstrap.
        resamples: Of the bootstrap.
        label: Protocol as results name it, where that says more than ``protocol``.
    """
    import pandas as pd

    is_ranked = ~np.isnan(held_out.ranks[protocol])
    refuse_unranked(protocol, int(is_ranked.sum()))
    sizes = candidates_of(protocol, held_out.num_candidates[is_ranked])
    values = per_user(held_out.ranks[protocol][is_ranked], sizes, at, user_metrics)
    found = intervals(values, seed, name=stage, resamples=resamples)
    shown = {metric_label(metric, label or protocol): cell for metric, cell in found.items()}
    return pd.DataFrame.from_dict(shown, orient="index").rename_axis("metric")
