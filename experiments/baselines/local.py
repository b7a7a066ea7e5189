"""Run the local-only baseline: every client trains alone and nothing is averaged.

Nothing is sent and nothing is shared: a client, be it a partition or a user, trains its own model
on its own sequences from the weights that a federation begins with, and its users' held-out items
are ranked by that model. There is no model of the run, only one for each client: none is kept.
"""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clients.app import app
from experiments.baselines.local_common import Evaluator, LocalOnlyResult, joined
from experiments.baselines.local_partitions import train_partitions
from experiments.baselines.local_users import local_only_plan, train_users
from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.config.sections.local import Local
from fedrec.data.preparation.store import Dataset
from fedrec.data.splits import Stage
from fedrec.evaluation.leave_one_out import HeldOutRanks
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared
from fedrec.factory.evaluation import user_metrics
from fedrec.factory.model import make_model
from fedrec.models.recommender import Recommender
from fedrec.report.page import write_report
from fedrec.runs.directory import locked
from server.aggregation.strategies import make_strategy
from server.engines.inline import InlineGrid
from server.evaluation.final import baseline_metrics, run_facts
from server.evaluation.metrics import round_metrics
from server.evaluation.results import write_results
from server.granularity.make import granularity_class, population_of
from server.lifecycle.run_folder import RunFolder
from server.lifecycle.signals import uninterrupted
from server.messages.registration import Registration, register_clients
from server.round_line import empty_round
from server.run import exit_code_of, one_thread
from server.setup import make_context
from server.state.ranks import RankTable
from server.state.server_state import ServerState
from server.trackers.tracked import check_trackers, tracked

NO_MODEL = (
    "every client trained weights of its own, which are not kept: there is no model.safetensors"
)

OnRound = Callable[[dict[str, Any]], None]
OnWait = Callable[[int, int], None]


def local_only_baseline(
    config: Config,
    folder: Path,
    *,
    engine: str,
    optimizer: Local,
    on_round: OnRound,
    on_wait: OnWait,
) -> Path:
    """Train each client alone and write a run folder like any other run's, without weights.

    One thread computes, so that the number of cores changes no byte.

    Args:
        config: Resolved config of the federation to compare with, with absolute paths.
        folder: Folder of the run.
        engine: Name of the engine for run.json.
        optimizer: Settings of the optimiser of a user alone, with ``federation.unit = "user"``.
        on_round: Callback, called with each line of rounds.jsonl, all of them at the end, since
            one client is trained after the other.
        on_wait: Callback, called with the numbers of finished clients and of all.

    Raises:
        FedrecError: After run.json says that the run failed, and why.
    """
    check_trackers(config)
    check_fit(config)
    command = f"fedrec baseline local-only {folder / 'config.toml'}"
    with one_thread(), locked(folder):
        kept = RunFolder.create(folder, config, engine=engine, command=command)
        with tracked(config, kept, completed=-1, on_round=on_round) as told:
            try:
                _fill(kept, config, optimizer, told or on_round, on_wait)
            except BaseException as error:
                with uninterrupted():
                    kept.fail(error, exit_code_of(error))
                raise
            write_report(folder)
    return folder


def _fill(
    folder: RunFolder, config: Config, optimizer: Local, on_round: OnRound, on_wait: OnWait
) -> None:
    """Registration, baselines, training, results."""
    grid = InlineGrid(app, config.partition.count, flatten(config))
    plan = config.federation
    registration = register_clients(
        grid,
        config.partition.count,
        config.most_targets,
        plan.round_timeout,
        shares_counts=plan.shares_counts,
    )
    prepared = open_prepared(config)
    dataset, table = prepared.dataset, prepared.table
    check_cutoffs(config.evaluation.cutoffs, dataset.catalog.num_items)
    nothing_seen = np.zeros(dataset.catalog.num_items + 1, dtype=np.int64)
    everybody = np.arange(registration.num_users)
    model = make_model(config, dataset.catalog, table, nothing_seen, everybody)
    facts = run_facts(config, registration, dataset.catalog, dataset.manifest, table, model)
    folder.describe(**_facts(facts, plan.unit))
    baselines, excluded = _baselines(grid, config, registration, dataset, model)
    evaluator = Evaluator(
        config, dataset, prepared.view, registration.counts, prepared.fixed_candidates
    )
    if plan.unit == "user":
        population = population_of(registration, plan.cohort)
        work = local_only_plan(config, optimizer, len(population.users))
        trained = train_users(config, work, prepared.view.training, model, evaluator, on_wait)
    else:
        trained = train_partitions(config, dataset, table, evaluator, on_wait)
    holders, lengths = prepared.assignment, dataset.sequences.lengths()

    def rank_table(found: HeldOutRanks) -> RankTable:
        is_told = np.isin(holders[found.users], list(registration.item_counts_of))
        return RankTable(
            users=found.users,
            partitions=holders[found.users],
            targets=np.where(is_told, found.targets, 0) if is_told.any() else None,
            events=lengths[found.users],
            ranks=found.ranks,
            personal=None,
            candidates=found.num_candidates,
            gates=found.gates,
            jaccard=found.jaccard,
        )

    lines = _lines(config, registration, trained, rank_table)
    for line in lines:
        folder.add_round(line)
        on_round(line)
    final: dict[Stage, RankTable] = {
        stage: rank_table(found) for stage, found in trained.final.items()
    }
    write_results(
        folder,
        final,
        config=config,
        clients=granularity_class(config),
        registration=registration,
        catalog=dataset.catalog,
        view_names=model.view_names,
        baselines=baselines,
        excluded=excluded,
        kept=trained.kept,
        seconds=lines[-1]["elapsed"],
    )


def _facts(facts: dict[str, Any], unit: str) -> dict[str, Any]:
    """What run.json says, where nothing travels and no model is kept."""
    sizes = facts["parameters"]
    own = {
        "own": sizes["shared"] + sizes["private"],
        "frozen": sizes["frozen"],
        "id_embeddings_start_from": sizes["id_embeddings_start_from"],
    }
    word = "local step" if unit == "user" else "round"
    return facts | {"parameters": own, "no_model": NO_MODEL, "round_is": word}


def _baselines(
    grid: InlineGrid,
    config: Config,
    registration: Registration,
    dataset: Dataset,
    model: Recommender,
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Popularity and, where it is known, the best there is, as in any run."""
    context = make_context(
        grid,
        config,
        make_strategy("fedavg", ""),
        registration,
        model,
        frequency=registration.item_counts(dataset.catalog.num_items),
        num_users=dataset.sequences.num_users,
        token=uuid.uuid4().hex,
    )
    return baseline_metrics(context, ServerState({}), dataset.manifest)


def _lines(
    config: Config,
    registration: Registration,
    trained: LocalOnlyResult,
    rank_table: Callable[[HeldOutRanks], RankTable],
) -> list[dict[str, Any]]:
    """Lines of rounds.jsonl; with users alone, a round is a local step."""
    elapsed, targets, best = 0.0, 0, -1.0
    lines = []
    for number, tally in trained.tallies.items():
        elapsed += sum(tally.seconds.values())
        targets += tally.targets
        line = empty_round(number) | {
            "train_loss": tally.loss,
            "targets": tally.targets,
            "passes": targets / registration.total_targets,
            "elapsed": elapsed,
        }
        line["seconds"] |= tally.seconds | {"total": sum(tally.seconds.values())}
        if number:
            line |= _who(config, registration)
        if tally.ranks:
            line |= _validation(config, rank_table(joined(tally.ranks)))
            value = line["validation"]["NDCG@10"]
            # Partitions have best rounds of their own: none is the best of all.
            line["best"] = trained.kept["best_round"] is not None and value > best
            best = max(best, value)
        lines.append(line)
    return lines


def _who(config: Config, registration: Registration) -> dict[str, Any]:
    """Numbers of sampled and aggregated clients of a round: all of them."""
    found: dict[str, Any] = {
        "sampled": registration.partitions,
        "aggregated": registration.partitions,
    }
    if config.federation.unit == "user":
        found["users"] = {"sampled": registration.num_users, "aggregated": registration.num_users}
    return found


def _validation(config: Config, found: RankTable) -> dict[str, Any]:
    evaluation = config.evaluation
    return round_metrics(
        found,
        evaluation.main_protocol,
        evaluation.cutoffs,
        granularity_class(config),
        user_metrics(config),
    )
