"""Leave-one-out evaluation: ranks of held-out items, metrics, intervals and tests.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy import lazy_exports

if TYPE_CHECKING:
    from fedrec.evaluation.bootstrap import intervals
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
    from fedrec.evaluation.spread import partition_spread, rank_spread
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
    "HeldOutRanks": "leave_one_out",
    "Scorer": "leave_one_out",
    "Scores": "leave_one_out",
    "Slices": "slices",
    "auc": "metrics",
    "by_history_length": "slices",
    "by_label": "slices",
    "by_popularity": "slices",
    "by_training_events": "slices",
    "candidate_ranks": "ranking",
    "candidates": "protocols",
    "chance": "metrics",
    "holm": "significance",
    "hr": "metrics",
    "intervals": "bootstrap",
    "leave_one_out_ranks": "leave_one_out",
    "load_user_metrics": "user_metrics",
    "metric_label": "protocols",
    "mrr": "metrics",
    "ndcg": "metrics",
    "num_candidates": "ranking",
    "paired_difference": "paired",
    "partition_metrics": "slices",
    "partition_spread": "spread",
    "per_user": "metrics",
    "rank_spread": "spread",
    "ranks_of": "ranking",
    "recall": "metrics",
    "sign_flip_p": "significance",
    "slice_metrics": "slices",
    "summary": "metrics",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
