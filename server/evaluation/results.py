"""Final results of a run: metrics, tables of users and items, ranks."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fedrec.config.config import Config
from fedrec.data.catalog import Catalog
from fedrec.data.domains import COLUMN
from fedrec.data.splits import Stage
from fedrec.evaluation.further.positions import position_metrics
from fedrec.evaluation.metrics import METRICS_OF_CANDIDATES, per_user
from fedrec.factory.evaluation import user_metrics
from fedrec.files.atomic import write_file
from fedrec.runs.record import read_rounds
from fedrec.runs.write import write_csv, write_json
from server.evaluation.metrics import final_metrics, with_intervals
from server.granularity.base import ClientMetrics
from server.lifecycle.run_folder import RunFolder
from server.messages.registration import Registration
from server.sampling.excluded import is_simulated_dropout
from server.state.ranks import RankTable

# Name of an evaluation -> records of the clients that were excluded from it.
ExcludedClients = dict[str, list[dict[str, Any]]]


def stage_metrics(
    found: RankTable, protocol: str, stage: Stage, config: Config
) -> dict[str, dict[str, float]]:
    """All metrics of an evaluation under one protocol, with intervals."""
    return with_intervals(
        found,
        protocol,
        seed=config.seed,
        at=config.evaluation.cutoffs,
        resamples=config.evaluation.resamples,
        label=stage,
        user_metrics=user_metrics(config),
    )


def write_results(
    folder: RunFolder,
    found: Mapping[Stage, RankTable],
    *,
    config: Config,
    clients: ClientMetrics,
    registration: Registration,
    catalog: Catalog,
    view_names: Sequence[str],
    baselines: Mapping[str, Any],
    excluded: ExcludedClients,
    kept: Mapping[str, Any],
    seconds: float,
    gates_alone: np.ndarray | None = None,
) -> None:
    """Write metrics.json, the tables and the ranks, and close the run.

    Args:
        folder: Folder of the run, with its rounds.
        found: Ranks of the best weights on validation and on test items.
        config: Config of the run.
        clients: Granularity of the clients, for the spread over them.
        registration: Registration of the clients.
        catalog: Catalogue of the items.
        view_names: Names of the model's views.
        baselines: Metrics of the baselines.
        excluded: Clients that were excluded from evaluations before and after training.
        kept: Fields of metrics.json about the kept weights: ``best_round``.
        seconds: Seconds spent in rounds.
        gates_alone: Sums of gate weights over the catalogue, where there is one model of the run.
    """
    protocols, shown = config.evaluation.protocols, config.protocol_names

    def stages(name: str) -> dict[str, dict[str, dict[str, float]]]:
        return {str(s): stage_metrics(ranks, name, s, config) for s, ranks in found.items()}

    metrics: dict[str, Any] = {"protocol": shown[0], **kept}
    metrics |= stages(protocols[0])
    others = zip(shown[1:], protocols[1:], strict=True)
    metrics["other_protocols"] = {label: stages(name) for label, name in others}
    metrics |= _every_position(found, config)
    metrics["baselines"] = baselines
    metrics |= final_metrics(
        found["test"],
        protocols[0],
        view_names=view_names,
        counts=registration.counts,
        domains=catalog.columns.get(COLUMN, ()),
        few_shot_events=config.scenario.few_shot_events,
        seed=config.seed,
        at=config.evaluation.cutoffs,
        resamples=config.evaluation.resamples,
        clients=clients,
        user_metrics=user_metrics(config),
        gates_alone=gates_alone,
    )
    write_json(folder.path / "metrics.json", metrics)
    _write_tables(folder.path, found, registration, catalog, config)
    lines, _ = read_rounds(folder.path / "rounds.jsonl")
    all_excluded = [one for line in lines for one in line["excluded"]]
    all_excluded += [one for ones in excluded.values() for one in ones]
    folder.finish(
        "done" if all(is_simulated_dropout(one) for one in all_excluded) else "degraded",
        best_round=kept["best_round"],
        rounds=len(lines) - 1,
        seconds=round(seconds, 3),
        excluded=excluded,
    )


def _every_position(found: Mapping[Stage, RankTable], config: Config) -> dict[str, Any]:
    """Figures over every position of unseen users by stage; empty where none were asked for."""
    of_stages: dict[str, Any] = {
        stage: position_metrics(
            ranks.positions,
            seed=config.seed,
            name=stage,
            resamples=config.evaluation.resamples,
        )
        for stage, ranks in found.items()
        if ranks.positions is not None
    }
    first = config.evaluation.positions_from
    return {"every_position": {"from": first, **of_stages}} if of_stages else {}


def _write_tables(
    path: Path,
    found: Mapping[Stage, RankTable],
    registration: Registration,
    catalog: Catalog,
    config: Config,
) -> None:
    main, own = config.evaluation.protocols[0], user_metrics(config)
    test = found["test"].under(main)
    original = {
        int(user): identity
        for partition, ids in registration.user_ids.items()
        for user, identity in zip(registration.users[partition], ids, strict=True)
    }
    ranks = test.ranks[main]
    values = per_user(ranks, test.num_candidates(main), at=[10], user_metrics=own)
    columns: dict[str, Any] = {
        "user": test.users,
        "original_id": [original.get(int(user), "") for user in test.users],
        "partition": test.partitions,
        "events": test.events,
        **({} if test.targets is None else {"target": test.targets}),
        "rank": ranks,
        "HR@10": values["HR@10"].astype(np.int64),
        "NDCG@10": values["NDCG@10"],
    }
    if test.personal is not None:
        columns["personal_rank"] = test.personal
    # What ranks alone do not give again: it needs the number of candidates, or the user's code.
    further = [name for name in (*METRICS_OF_CANDIDATES, *own) if name not in columns]
    columns |= {name: values[name] for name in further}
    write_csv(path / "users.csv", columns)
    items: dict[str, Any] = {
        "item": np.arange(1, catalog.num_items + 1),
        "original_id": catalog.item_ids,
        "title": catalog.titles,
    }
    if registration.counts is not None:
        items["training_events"] = registration.counts[1:]
    write_csv(path / "items.csv", items)
    test = found["test"]
    arrays: dict[str, Any] = {f"rank_{name}": each for name, each in test.ranks.items()}
    arrays |= {f"validation_rank_{n}": each for n, each in found["validation"].ranks.items()}
    if test.targets is not None:
        arrays["target"] = test.targets
    packed = io.BytesIO()
    np.savez_compressed(packed, user=test.users, **arrays)
    write_file(path / "ranks.npz", packed.getvalue())
