"""The coordinator: from a config and a Grid to a run folder with a report."""

import json
import signal
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy
from torch import nn

from fedrec.config import Config, absolute_paths, names_in, read_config
from fedrec.data.catalog import Catalog
from fedrec.data.store import open_catalog
from fedrec.errors import DataError, FedrecError
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.home import home
from fedrec.models.parameters import arrays_of, groups_of
from fedrec.models.recommender import Recommender
from fedrec.report.history import write_csv, write_json
from fedrec.report.page import write_report
from fedrec.semantics.table import SemanticTable
from fedrec.workbench import device, make_model, open_table
from server.census import Census, take_census
from server.checkpoints import save_checkpoint
from server.folder import RunFolder, run_path
from server.judging import Judged, final_metrics, with_intervals
from server.rounds import Federation, State, evaluate, federate
from server.strategies import make_strategy

app = ServerApp()

OnRound = Callable[[dict[str, Any]], None]


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Flower's door to the server."""
    config = read_config(context.run_config)
    _refuse_relative_paths(config)
    serve(grid, config, engine="flower", command=_flower_command(config))


def serve(
    grid: Grid,
    config: Config,
    *,
    engine: str,
    command: str,
    on_round: OnRound | None = None,
) -> Path:
    """Run a whole federation over any Grid; return the run folder.

    Args:
        grid: carries the messages.
        config: of the run.
        engine: name of what carries them, for the record.
        command: that repeats the run, for the record.
        on_round: called with each line of rounds.jsonl.

    Raises:
        FedrecError: after run.json says that the run failed, and why.
    """
    strategy = make_strategy(config.strategy.name, config.strategy.options)
    torch.set_num_threads(1)  # the sum over replies must not depend on the number of cores
    name = config.data.source.partition(":")[0].split("/")[-1].removesuffix(".zip")
    folder = RunFolder(run_path(config, name), config, engine=engine, command=command)
    try:
        _run(grid, config, strategy, folder, on_round)
    except BaseException as error:
        folder.fail(error, _exit_code(error))
        raise
    write_report(folder.path)
    return folder.path


def _run(
    grid: Grid,
    config: Config,
    strategy: Strategy,
    folder: RunFolder,
    on_round: OnRound | None,
) -> None:
    census = take_census(
        grid, config.partition.count, config.federation.round_timeout, config.seed
    )
    catalog, manifest = _catalogue(census.data_hash)
    main_protocol = names_in(config.evaluation.protocol)[0]
    check_cutoffs(config.evaluation.cutoffs, catalog.num_items)
    table = open_table(config, catalog)
    if table is not None and table.sha256 != census.table_hash:
        raise DataError(
            "the clients hold another table of meanings than the server; their encoder or "
            "semantics.* differ"
        )
    frequency = (
        np.zeros(catalog.num_items + 1, dtype=np.int64) if census.counts is None else census.counts
    )
    model = make_model(config, catalog, table, frequency)
    folder.describe(**_facts(config, census, catalog, manifest, table, model))
    state = State(_initial_weights(config, model))
    federation = Federation(grid, strategy, config, census, uuid.uuid4().hex, frequency)
    references = _references(federation, state, manifest, main_protocol)

    def record(line: dict[str, Any], state: State) -> None:
        folder.add_round(line)
        if line["best"]:
            folder.save_weights(state.best)
        if line["round"] and line["round"] % config.run.checkpoint_every == 0:
            save_checkpoint(folder.path, line["round"], state, strategy)
        if on_round is not None:
            on_round(line)

    federate(federation, state, record)
    _finish(federation, state, folder, catalog, model, references)


def _references(
    federation: Federation, state: State, manifest: dict[str, Any], main_protocol: str
) -> dict[str, Any]:
    """What anybody gets without learning: popularity; and the best there is, where it is known."""
    config = federation.config
    scorers = ["popularity"] if config.federation.share_counts else []
    if manifest["format"] == "synthetic":
        scorers.append("best-possible")
    found: dict[str, Any] = {}
    for scorer in scorers:
        stages = {}
        for stage in ("validation", "test"):
            ranks, _, _ = evaluate(
                federation,
                state,
                number=0,
                stage=stage,  # type: ignore[arg-type]  # one of the two stages
                scorer=scorer,
                protocols=[main_protocol],
            )
            stages[stage] = with_intervals(
                ranks,
                main_protocol,
                seed=config.seed,
                at=config.evaluation.cutoffs,
                resamples=config.evaluation.resamples,
                label=stage,
            )
        found[scorer.replace("-", " ")] = stages
    return found


def _finish(
    federation: Federation,
    state: State,
    folder: RunFolder,
    catalog: Catalog,
    model: Recommender,
    references: dict[str, Any],
) -> None:
    """Evaluate the best round's weights on test items and write everything a run leaves."""
    config, census = federation.config, federation.census
    protocols = names_in(config.evaluation.protocol)

    def judged(stage: str, *, is_last: bool) -> Judged:
        return evaluate(
            federation,
            state,
            number=state.best_round,
            stage=stage,  # type: ignore[arg-type]  # one of the two stages
            weights=state.best,
            protocols=protocols,
            is_last=is_last,
        )[0]

    found = {
        "validation": judged("validation", is_last=False),
        "test": judged("test", is_last=True),
    }
    shared = {
        "seed": config.seed,
        "at": config.evaluation.cutoffs,
        "resamples": config.evaluation.resamples,
    }
    metrics: dict[str, Any] = {"protocol": protocols[0], "best_round": state.best_round}
    for stage, ranks in found.items():
        metrics[stage] = with_intervals(ranks, protocols[0], label=stage, **shared)
    metrics["other protocols"] = {
        name: {
            stage: with_intervals(ranks, name, label=stage, **shared)
            for stage, ranks in found.items()
        }
        for name in protocols[1:]
    }
    metrics["references"] = references
    metrics |= final_metrics(
        found["test"],
        protocols[0],
        view_names=model.view_names,
        counts=census.counts,
        seed=config.seed,
        at=config.evaluation.cutoffs,
    )
    folder.save_weights(state.best)
    write_json(folder.path / "metrics.json", metrics)
    _write_tables(folder.path, found, census, catalog, protocols)
    lines = (folder.path / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
    degraded = any(json.loads(line)["dropped"] for line in lines)
    folder.finish(
        "degraded" if degraded else "done",
        best_round=state.best_round,
        rounds=len(lines) - 1,
        seconds=round(state.elapsed, 3),
    )


def _write_tables(
    path: Path,
    found: dict[str, Judged],
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
        "HR@10": (ranks <= 10).astype(np.int64),
        "NDCG@10": np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0.0),
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
    arrays = {f"rank_{name}": each for name, each in test.ranks.items()}
    arrays |= {f"validation_rank_{n}": each for n, each in found["validation"].ranks.items()}
    np.savez_compressed(path / "ranks.npz", user=test.users, target=test.targets, **arrays)


def _catalogue(data_hash: str) -> tuple[Catalog, dict[str, Any]]:
    """The catalogue of the data that the clients hold: never an interaction."""
    for manifest_path in sorted((home() / "prepared").glob("*/manifest.json")):
        try:
            manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # another dataset's folder, half-made or damaged, is not ours to judge
        if manifest.get("data_hash") == data_hash:
            return open_catalog(manifest_path.parent)[0], manifest
    raise DataError(
        f"the catalogue of the clients' data ({data_hash[:16]}) is not under "
        f"{home() / 'prepared'}; copy manifest.json and catalog.json of their prepared folder there"
    )


def _facts(
    config: Config,
    census: Census,
    catalog: Catalog,
    manifest: dict[str, Any],
    table: SemanticTable | None,
    model: Recommender,
) -> dict[str, Any]:
    """What run.json says of data, meanings, parameters and partitions."""
    if not isinstance(model, nn.Module):
        raise TypeError("a recommender is a torch module")
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
            "notes": manifest.get("notes", []),
        },
        "semantics": meanings,
        "parameters": {
            "shared": sum(sizes[name] for name in groups.shared),
            "private": sum(sizes[name] for name in groups.private),
            "frozen": sum(buffer.numel() for buffer in model.buffers()),
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


def _initial_weights(config: Config, model: Recommender) -> dict[str, np.ndarray]:
    if not isinstance(model, nn.Module):
        raise TypeError("a recommender is a torch module")
    shared = groups_of(model, names_in(config.model.private)).shared
    return {name: array.astype(np.float64) for name, array in arrays_of(model, shared).items()}


def _refuse_relative_paths(config: Config) -> None:
    """Flower's service runs in a folder of its own, where a relative path means something else."""
    moved = absolute_paths(config, Path("/"))
    for key, given, absolute in (("run.dir", config.run.dir, moved.run.dir),):
        if given and given != absolute:
            from fedrec.errors import ConfigError

            raise ConfigError(f"{key} must be an absolute path under `flwr run`, got {given!r}")


def _flower_command(config: Config) -> str:
    return f"flwr run . --stream  # or: fedrec run {config.run.dir or 'RUN'}/config.toml"


def _exit_code(error: BaseException) -> int:
    if isinstance(error, FedrecError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return 1
