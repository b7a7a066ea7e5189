"""What a run leaves behind: references, the final evaluation, tables, facts for run.json."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fedrec.config import Config, names_in
from fedrec.data.catalog import Catalog
from fedrec.data.splits import Stage
from fedrec.evaluation.metrics import hr, ndcg
from fedrec.models.parameters import groups_of
from fedrec.models.recommender import Recommender
from fedrec.report.history import read_rounds, replace_file, write_csv, write_json
from fedrec.semantics.table import SemanticTable
from fedrec.workbench import device
from server.absences import is_simulated
from server.census import Census
from server.evaluation import Evaluation, evaluate
from server.folder import RunFolder
from server.judging import Judged, final_metrics, with_intervals
from server.state import Federation, State

STAGES: tuple[Stage, ...] = ("validation", "test")


LeftOut = dict[str, list[dict[str, Any]]]  # name of an evaluation -> who sent no ranks, and why


def reference_metrics(
    federation: Federation, state: State, manifest: dict[str, Any]
) -> tuple[dict[str, Any], LeftOut]:
    """What anybody gets without learning: popularity; and the best there is, where it is known.

    Returns:
        Metrics of each reference, and who was left out of its evaluations.
    """
    config = federation.config
    scorers = ["popularity"] if config.federation.share_counts else []
    if manifest["facts"].get("format") == "synthetic":
        scorers.append("best-possible")
    metrics: dict[str, Any] = {}
    left_out: LeftOut = {}
    for scorer in scorers:
        stages = {}
        for stage in STAGES:
            found = evaluate(
                federation,
                state,
                occasion=f"{scorer} {stage}",
                number=0,
                stage=stage,
                scorer=scorer,
                # All of them, so that one that the data cannot meet ends the run before training.
                protocols=config.evaluation.protocols,
            )
            note(left_out, f"{scorer} {stage}", found)
            stages[stage] = _summed_up(found.judged, config.evaluation.main_protocol, stage, config)
        metrics[scorer.replace("-", " ")] = stages
    return metrics, left_out


def note(left_out: LeftOut, occasion: str, found: Evaluation) -> None:
    """Note who sent no ranks."""
    if found.dropped:
        left_out[occasion] = [one.record("evaluate") for one in found.dropped]


def _summed_up(
    found: Judged, protocol: str, stage: Stage, config: Config
) -> dict[str, dict[str, float]]:
    """Every metric of an evaluation with its interval."""
    return with_intervals(
        found,
        protocol,
        seed=config.seed,
        at=config.evaluation.cutoffs,
        resamples=config.evaluation.resamples,
        label=stage,
    )


def finish(
    federation: Federation,
    state: State,
    folder: RunFolder,
    catalog: Catalog,
    model: Recommender,
    references: dict[str, Any],
    left_out: LeftOut,
) -> None:
    """Evaluate the best round's weights on test items and write everything a run leaves."""
    config, census = federation.config, federation.census
    protocols = config.evaluation.protocols

    found: dict[Stage, Judged] = {}
    for stage in STAGES:
        evaluation = evaluate(
            federation,
            state,
            occasion=f"final {stage}",
            number=state.best_round,
            stage=stage,
            weights=state.best,
            protocols=protocols,
        )
        note(left_out, f"final {stage}", evaluation)
        found[stage] = evaluation.judged

    def summed_up(name: str) -> dict[str, dict[str, dict[str, float]]]:
        return {str(s): _summed_up(ranks, name, s, config) for s, ranks in found.items()}

    metrics: dict[str, Any] = {"protocol": protocols[0], "best_round": state.best_round}
    metrics |= summed_up(protocols[0])
    metrics["other protocols"] = {name: summed_up(name) for name in protocols[1:]}
    metrics["references"] = references
    metrics |= final_metrics(
        found["test"],
        protocols[0],
        view_names=model.view_names,
        counts=census.counts,
        seed=config.seed,
        at=config.evaluation.cutoffs,
        resamples=config.evaluation.resamples,
        unit=config.federation.unit,
    )
    folder.save_weights(state.best)
    write_json(folder.path / "metrics.json", metrics)
    _write_tables(folder.path, found, census, catalog, protocols)
    lines, _ = read_rounds(folder.path / "rounds.jsonl")
    dropped = [one for line in lines for one in line["dropped"]]
    dropped += [one for ones in left_out.values() for one in ones]
    folder.finish(
        "done" if all(is_simulated(one) for one in dropped) else "degraded",
        best_round=state.best_round,
        rounds=len(lines) - 1,
        seconds=round(state.elapsed, 3),
        left_out=left_out,
    )


def _write_tables(
    path: Path,
    found: dict[Stage, Judged],
    census: Census,
    catalog: Catalog,
    protocols: Sequence[str],
) -> None:
    test = found["test"]
    original = {
        int(user): identity
        for partition, users in census.users.items()
        for user, identity in zip(users, census.user_ids[partition], strict=True)
    }
    ranks = test.ranks[protocols[0]]
    columns: dict[str, Any] = {
        "user": test.users,
        "original_id": [original[int(user)] for user in test.users],
        "partition": test.partitions,
        "events": test.events,
        "target": test.targets,
        "rank": ranks,
        "HR@10": hr(ranks, 10).astype(np.int64),
        "NDCG@10": ndcg(ranks, 10),
    }
    if test.personal is not None:
        columns["personal_rank"] = test.personal
    write_csv(path / "users.csv", columns)
    items: dict[str, Any] = {
        "item": np.arange(1, catalog.num_items + 1),
        "original_id": catalog.item_ids,
        "title": catalog.titles,
    }
    if census.counts is not None:
        items["training_events"] = census.counts[1:]
    write_csv(path / "items.csv", items)
    arrays: dict[str, Any] = {f"rank_{name}": each for name, each in test.ranks.items()}
    arrays |= {f"validation_rank_{n}": each for n, each in found["validation"].ranks.items()}
    packed = io.BytesIO()
    np.savez_compressed(packed, user=test.users, target=test.targets, **arrays)
    replace_file(path / "ranks.npz", packed.getvalue())


def run_facts(
    config: Config,
    census: Census,
    catalog: Catalog,
    manifest: dict[str, Any],
    table: SemanticTable | None,
    model: Recommender,
) -> dict[str, Any]:
    """What run.json says of data, meanings, parameters and partitions."""
    groups = groups_of(model, names_in(config.model.private))
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    meanings = None
    if table is not None:
        meanings = {
            "encoder": table.encoder,
            "sha256": table.encoder_sha256,
            "key": table.key,
            "table_sha256": table.sha256,
            "width": table.width,
            "fallback_texts": table.fallback_texts,
            "shuffled": config.semantics.shuffled,
        }
    return {
        "device": str(device(config)),
        "data": {
            "name": manifest["name"],
            "hash": census.data_hash,
            "source": config.data.source,
            "users": census.num_users,
            "items": catalog.num_items,
            "events": manifest.get("events"),
            "skipped": manifest.get("skipped", {}),
            "notes": manifest["facts"].get("notes", []),
        },
        "semantics": meanings,
        "parameters": {
            "shared": sum(sizes[name] for name in groups.shared),
            "private": sum(sizes[name] for name in groups.private),
            "frozen": sum(buffer.numel() for buffer in model.buffers()),
            "identity starts from": None
            if not any("rows" in name for name in sizes)
            else "text"
            if table is not None and config.model.identity_start == "text"
            else "random",
            "identity travels": any("rows" in name for name in groups.shared),
        },
        "partitions": [
            {
                "partition": partition,
                "users": len(census.users[partition]),
                "targets": census.targets[partition],
            }
            for partition in census.partitions
        ],
    }
