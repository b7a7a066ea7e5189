"""Leave-one-out evaluation: ranks of held-out items, metrics, intervals and tests.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.evaluation.bootstrap import intervals
    from fedrec.evaluation.further.seeds import estimates
    from fedrec.evaluation.leave_one_out import HeldOutRanks, Scorer, Scores, leave_one_out_ranks
    from fedrec.evaluation.metrics import auc, chance, hr, mrr, ndcg, per_user, recall, summary
    from fedrec.evaluation.paired import paired_difference
    from fedrec.evaluation.protocols import candidates, metric_label
    from fedrec.evaluation.ranking import candidate_ranks, num_candidates, ranks_of
    from fedrec.evaluation.significance import holm, sign_flip_p
    from fedrec.evaluation.slices import (
        Slices,
        by_history_length,
        by_label,
        by_popularity,
        by_training_events,
        partition_metrics,
        slice_metrics,
    )
    from fedrec.evaluation.spread import gini, partition_spread, rank_spread
    from fedrec.evaluation.user_metrics import load_user_metrics

__all__ = [
    "HeldOutRanks",
    "Scorer",
    "Scores",
    "Slices",
    "auc",
    "by_history_length",
    "by_label",
    "by_popularity",
    "by_training_events",
    "candidate_ranks",
    "candidates",
    "chance",
    "estimates",
    "gini",
    "holm",
    "hr",
    "intervals",
    "leave_one_out_ranks",
    "load_user_metrics",
    "metric_label",
    "mrr",
    "ndcg",
    "num_candidates",
    "paired_difference",
    "partition_metrics",
    "partition_spread",
    "per_user",
    "rank_spread",
    "ranks_of",
    "recall",
    "sign_flip_p",
    "slice_metrics",
    "summary",
]

_HOMES = {
    "HeldOutRanks": "fedrec.evaluation.leave_one_out",
    "Scorer": "fedrec.evaluation.leave_one_out",
    "Scores": "fedrec.evaluation.leave_one_out",
    "Slices": "fedrec.evaluation.slices",
    "auc": "fedrec.evaluation.metrics",
    "by_history_length": "fedrec.evaluation.slices",
    "by_label": "fedrec.evaluation.slices",
    "by_popularity": "fedrec.evaluation.slices",
    "by_training_events": "fedrec.evaluation.slices",
    "candidate_ranks": "fedrec.evaluation.ranking",
    "candidates": "fedrec.evaluation.protocols",
    "chance": "fedrec.evaluation.metrics",
    "estimates": "fedrec.evaluation.further.seeds",
    "gini": "fedrec.evaluation.spread",
    "holm": "fedrec.evaluation.significance",
    "hr": "fedrec.evaluation.metrics",
    "intervals": "fedrec.evaluation.bootstrap",
    "leave_one_out_ranks": "fedrec.evaluation.leave_one_out",
    "load_user_metrics": "fedrec.evaluation.user_metrics",
    "metric_label": "fedrec.evaluation.protocols",
    "mrr": "fedrec.evaluation.metrics",
    "ndcg": "fedrec.evaluation.metrics",
    "num_candidates": "fedrec.evaluation.ranking",
    "paired_difference": "fedrec.evaluation.paired",
    "partition_metrics": "fedrec.evaluation.slices",
    "partition_spread": "fedrec.evaluation.spread",
    "per_user": "fedrec.evaluation.metrics",
    "rank_spread": "fedrec.evaluation.spread",
    "ranks_of": "fedrec.evaluation.ranking",
    "recall": "fedrec.evaluation.metrics",
    "sign_flip_p": "fedrec.evaluation.significance",
    "slice_metrics": "fedrec.evaluation.slices",
    "summary": "fedrec.evaluation.metrics",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
