"""Pooled ranks of all clients, and the metrics that a run records of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedrec import protocol
from fedrec.evaluation.bootstrap import intervals
from fedrec.evaluation.gates import gate_table
from fedrec.evaluation.metrics import GENRE_JACCARD, UserMetric, per_user, summary
from fedrec.evaluation.slices import (
    by_history_length,
    by_label,
    by_popularity,
    by_training_events,
    slice_metrics,
)
from fedrec.models.parameters import NamedArrays
from server.granularity.base import ClientMetrics
from server.state.ranks import RankTable


def pool_ranks(ranks: Mapping[int, NamedArrays], protocols: Sequence[str]) -> RankTable:
    """Pool the evaluate replies of some partitions.

    Args:
        ranks: Partition -> arrays of its validated reply.
        protocols: Evaluation protocols of the ranks.
    """
    records = dict(sorted(ranks.items()))
    users = [record[protocol.USER_NUMBERS] for record in records.values()]
    order = np.argsort(np.concatenate(users), kind="stable")

    def joined(name: str) -> np.ndarray | None:
        """Array (U,) in order of users; none unless every reply has it."""
        if not all(name in record for record in records.values()):
            return None
        return np.concatenate([record[name] for record in records.values()])[order]

    def known(name: str) -> np.ndarray:
        return np.concatenate([record[name] for record in records.values()])[order]

    targets = None
    if any(protocol.HELD_OUT_ITEMS in record for record in records.values()):
        nameless = [np.zeros(len(each), dtype=np.int64) for each in users]
        named = zip(records.values(), nameless, strict=True)
        targets = np.concatenate(
            [record.get(protocol.HELD_OUT_ITEMS, none) for record, none in named]
        )[order]

    gates = [record[protocol.GATES] for record in records.values() if protocol.GATES in record]
    return RankTable(
        users=known(protocol.USER_NUMBERS),
        partitions=np.repeat(list(records), [len(each) for each in users])[order],
        targets=targets,
        events=known(protocol.EVENTS),
        ranks={name: known(protocol.rank_array(name)) for name in protocols},
        personal=joined(protocol.PERSONAL_RANKS),
        candidates=known(protocol.CANDIDATES),
        gates=np.sum(gates, axis=0) if gates else None,
        jaccard=joined(protocol.JACCARD),
        positions=joined(protocol.POSITIONS),
    )


def round_metrics(
    found: RankTable,
    main: str,
    at: Sequence[int],
    clients: ClientMetrics,
    user_metrics: Mapping[str, UserMetric],
) -> dict[str, Any]:
    """Metrics of a validation, as fields of a line of rounds.jsonl.

    Args:
        found: Ranks of the evaluated users.
        main: Protocol that picks the best round.
        at: Cut-offs of HR and NDCG.
        clients: Granularity of the clients, for the spread over them.
        user_metrics: Further metrics by name.
    """
    found = found.under(main)
    ranks = found.ranks[main]
    validation = summary(ranks, found.num_candidates(main), at, user_metrics)
    return {
        "validation": validation,
        "validation_users": len(ranks),
        **clients.round_metrics(ranks, found.partitions),
    }


def with_intervals(
    found: RankTable,
    name: str,
    *,
    seed: int,
    at: Sequence[int],
    resamples: int,
    label: str,
    user_metrics: Mapping[str, UserMetric],
) -> dict[str, dict[str, float]]:
    """All metrics under one protocol, with 95 % intervals over users."""
    found = found.under(name)
    values = per_user(found.ranks[name], found.num_candidates(name), at, user_metrics)
    metrics = intervals(values, seed, name=label, resamples=resamples)
    # Genres are compared under the main protocol, which the ranks name first.
    if found.jaccard is not None and name == next(iter(found.ranks)):
        of_genres = found.jaccard[~np.isnan(found.jaccard).any(axis=1)]
        if len(of_genres):
            values = dict(zip(GENRE_JACCARD, of_genres.T, strict=True))
            metrics |= intervals(values, seed, name=label, resamples=resamples)
    return metrics


def final_metrics(
    found: RankTable,
    main: str,
    *,
    view_names: Sequence[str],
    counts: np.ndarray | None,
    few_shot_events: int,
    domains: Sequence[str] = (),
    seed: int,
    at: Sequence[int],
    resamples: int,
    clients: ClientMetrics,
    user_metrics: Mapping[str, UserMetric],
    gates_alone: np.ndarray | None,
) -> dict[str, Any]:
    """Slices, clients and gates of the final test evaluation, as metrics.json stores them."""
    found = found.under(main)
    ranks, sizes = found.ranks[main], found.num_candidates(main)
    # The input of the test holds everything but the last event.
    kinds = {"history length": by_history_length(found.events - 1)}
    chosen = {"history length": np.ones(len(ranks), dtype=bool)}
    if found.targets is not None:
        is_named = found.targets > 0
        targets = found.targets[is_named]
        of_targets = {}
        if counts is not None:
            of_targets["item popularity"] = by_popularity(targets, counts)
            of_targets["training events"] = by_training_events(targets, counts, few_shot_events)
        if domains:
            of_targets["domain"] = by_label([domains[target - 1] for target in targets])
        kinds |= of_targets
        chosen |= dict.fromkeys(of_targets, is_named)
    slices = {
        name: slice_metrics(
            kind,
            ranks[chosen[name]],
            np.broadcast_to(sizes, ranks.shape)[chosen[name]],
            seed=seed,
            at=at,
            resamples=resamples,
            user_metrics=user_metrics,
        )
        for name, kind in kinds.items()
    }
    gates = None
    if found.gates is not None and len(view_names) > 1:
        gates = gate_table(
            found.gates,
            tuple(view_names),
            counts_are_known=counts is not None,
            alone=gates_alone,
        )
    of_clients = clients.final_metrics(
        ranks,
        found.partitions,
        sizes,
        seed=seed,
        at=at,
        resamples=resamples,
        user_metrics=user_metrics,
    )
    return {"slices": slices, **of_clients, "gates": gates}
