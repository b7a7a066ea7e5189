"""Baselines before the first round, final evaluation after the last, facts for run.json."""

from pathlib import Path
from typing import Any

from fedrec.baselines.names import ORACLE, POPULARITY
from fedrec.config.config import Config
from fedrec.config.values.choices import BASELINE_MODELS, OF_TEXT, names_in
from fedrec.data.catalog import Catalog
from fedrec.data.domains import COLUMN
from fedrec.data.splits import Stage
from fedrec.evaluation.model_scorer import catalogue_gates
from fedrec.evaluation.spread import divergences
from fedrec.factory.devices import device, kernel_facts
from fedrec.factory.table import signals_of
from fedrec.files.atomic import write_file
from fedrec.inference.carried import carried_files
from fedrec.models.parameters import frozen_parameters, groups_of, load_arrays
from fedrec.models.recommender import Recommender
from fedrec.semantics.item_vectors import read_vectors
from fedrec.semantics.table import EmbeddingTable
from server.evaluation.evaluate import evaluate
from server.evaluation.results import ExcludedClients, stage_metrics, write_results
from server.lifecycle.run_folder import RunFolder
from server.messages.registration import Registration
from server.messages.sent import sent_facts
from server.sampling.excluded import Excluded
from server.sampling.unavailable import REGISTRATION
from server.state.context import ServerContext
from server.state.ranks import EvaluationOutcome, RankTable
from server.state.server_state import ServerState

STAGES: tuple[Stage, ...] = ("validation", "test")


def baseline_metrics(
    context: ServerContext, state: ServerState, manifest: dict[str, Any]
) -> tuple[dict[str, Any], ExcludedClients]:
    """Evaluate the baselines of a run: popularity, and the oracle of synthetic data.

    Returns:
        Metrics of each baseline, and the clients that were excluded from its evaluations.
    """
    config = context.config
    scorers = [ORACLE] if manifest["facts"].get("format") == "synthetic" else []
    is_counted = context.registration.counts is not None
    # Without counts all items are alike and nothing is learned, but the protocols are tried.
    if is_counted or (not scorers and set(config.evaluation.protocols) != {"full"}):
        scorers.insert(0, POPULARITY)
    metrics: dict[str, Any] = {}
    excluded: ExcludedClients = {}
    for scorer in scorers:
        stages = {}
        for stage in STAGES:
            found = evaluate(
                context,
                state,
                occasion=f"{scorer} {stage}",
                round=0,
                stage=stage,
                scorer=scorer,
                # All protocols: one that the data cannot meet ends the run before training.
                protocols=config.evaluation.protocols,
                further=True,
            )
            record_excluded(excluded, f"{scorer} {stage}", found)
            for protocol in config.evaluation.protocols:
                found.ranks.under(protocol)  # refuses one that ranks nobody
            stages[stage] = stage_metrics(
                found.ranks, config.evaluation.main_protocol, stage, config
            )
        if is_counted or scorer != POPULARITY:
            metrics[scorer.replace("-", " ")] = stages
    return metrics, excluded


def excluded_at_registration(registration: Registration) -> ExcludedClients:
    """Clients that take no part in the run, if there are any."""
    found = [Excluded(p, why).record("register") for p, why in registration.excluded.items()]
    return {REGISTRATION: found} if found else {}


def record_excluded(excluded: ExcludedClients, occasion: str, found: EvaluationOutcome) -> None:
    """Record the clients that were excluded from an evaluation, if there are any."""
    if found.excluded:
        excluded[occasion] = [one.record("evaluate") for one in found.excluded]


def finalize_run(
    context: ServerContext,
    state: ServerState,
    folder: RunFolder,
    catalog: Catalog,
    model: Recommender,
    baselines: dict[str, Any],
    excluded: ExcludedClients,
) -> None:
    """Evaluate the best round's weights on validation and test items and write the results."""
    found: dict[Stage, RankTable] = {}
    for stage in STAGES:
        evaluation = _kept(context, state, stage) or evaluate(
            context,
            state,
            occasion=f"final {stage}",
            round=state.best_round,
            stage=stage,
            weights=state.best,
            protocols=context.config.evaluation.protocols,
            further=True,
        )
        record_excluded(excluded, f"final {stage}", evaluation)
        found[stage] = evaluation.ranks
    folder.save_weights(state.best)
    for name, content in carried_files(context.config, catalog, model).items():
        write_file(folder.path / name, content)
    gates_alone = None
    if len(model.view_names) > 1:
        load_arrays(model, state.best, state.best)
        gates_alone = catalogue_gates(model, catalog.num_items)
    write_results(
        folder,
        found,
        config=context.config,
        clients=context.clients,
        registration=context.registration,
        catalog=catalog,
        view_names=model.view_names,
        baselines=baselines,
        excluded=excluded,
        kept={"best_round": state.best_round},
        seconds=state.elapsed,
        gates_alone=gates_alone,
    )


def _kept(context: ServerContext, state: ServerState, stage: Stage) -> EvaluationOutcome | None:
    """The best round's evaluation where the final one on validation items would be the same.

    A replayed run may have lost clients in the final one alone.
    """
    partitions = context.registration.partitions
    if stage != "validation" or context.unavailability.of_evaluation(f"final {stage}", partitions):
        return None
    return state.best_outcome


def _domain_facts(catalog: Catalog, manifest: dict[str, Any]) -> dict[str, Any]:
    """Number of items of each domain of multi-domain data; else empty."""
    if not (names := manifest["facts"].get("domains")):
        return {}
    return {"domains": {name: catalog.columns[COLUMN].count(name) for name in names}}


def _top_items(manifest: dict[str, Any]) -> dict[str, Any]:
    """Record of the choice of the most frequent items; empty where all were kept."""
    return {key: value for key, value in manifest["facts"].items() if key == "top_items"}


def run_facts(
    config: Config,
    registration: Registration,
    catalog: Catalog,
    manifest: dict[str, Any],
    table: EmbeddingTable | None,
    model: Recommender,
) -> dict[str, Any]:
    """Facts for run.json about data, semantic embeddings, parameters and partitions."""
    groups = groups_of(model, names_in(config.model.private))
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    semantics = None
    if table is not None:
        semantics = {
            "encoder": table.encoder,
            "sha256": table.encoder_sha256,
            "key": table.key,
            "table_sha256": table.sha256,
            "width": table.width,
            "fallback_texts": table.fallback_texts,
            "token_limit": table.token_limit,
            "texts_beyond_limit": table.long_texts,
            "long_texts": config.semantics.long_texts,
            "shuffled": config.semantics.shuffled,
        }
    further = _file_view_facts(config, catalog)
    if registration.views_hash:
        further["views_sha256"] = registration.views_hash
    if further:
        semantics = (semantics or {}) | further
    tastes = _tastes(registration)
    return {
        "device": str(device(config)),
        "kernel": kernel_facts(config),
        "sent": sent_facts(config.federation, registration),
        "data": {
            "name": manifest["name"],
            "hash": registration.data_hash,
            "source": config.data.source,
            "users": registration.num_users,
            "items": catalog.num_items,
            **_domain_facts(catalog, manifest),
            "events": manifest.get("events"),
            "skipped": manifest.get("skipped", {}),
            **_top_items(manifest),
            "notes": manifest["facts"].get("notes", []),
        },
        "semantics": semantics,
        "parameters": {
            "shared": sum(sizes[name] for name in groups.shared),
            "private": sum(sizes[name] for name in groups.private),
            "frozen": sum(
                array.numel() for array in (*model.buffers(), *frozen_parameters(model).values())
            ),
            "id_embeddings_start_from": None
            if not any("rows" in name for name in sizes)
            else "text"
            if table is not None and config.model.identity_start == "text"
            else "random",
            "id_embeddings_travel": any("rows" in name for name in groups.shared),
        },
        "partitions": [
            {
                "partition": partition,
                "users": len(registration.users[partition]),
                "targets": registration.targets[partition],
                **tastes.get(partition, {}),
            }
            for partition in registration.partitions
        ],
    }


def _tastes(registration: Registration) -> dict[int, dict[str, float]]:
    """How far the items of each client that tells counts are from those of all such clients."""
    told = {p: own for p, own in sorted(registration.item_counts_of.items()) if own.sum()}
    if registration.counts is None or len(told) < 2:
        return {}
    # One after the other: thousands of clients times all items would fill the memory.
    return {
        partition: {
            "taste_divergence": round(float(divergences(own[None], registration.counts)[0]), 6)
        }
        for partition, own in told.items()
    }


def _file_view_facts(config: Config, catalog: Catalog) -> dict[str, Any]:
    """Signals and vectors that a model reads: who wrote them, when, hashes, items without any."""
    if config.model.name in BASELINE_MODELS and config.model.name not in OF_TEXT:
        return {}
    facts: dict[str, Any] = {}
    signals = signals_of(config.semantics)
    if signals is not None:
        told = ("model", "revision", "prompt", "date", "kinds")
        facts["signals"] = {
            **{name: signals.header[name] for name in told if name in signals.header},
            "control": config.semantics.signals_control,
            "sha256": signals.header["sha256"],
            "items_without": sum(not signals.by_item.get(item) for item in catalog.item_ids),
        }
    for name, path in config.semantics.vector_files.items():
        found = read_vectors(Path(path))
        lacking = len(set(catalog.item_ids) - set(found.items))
        facts[f"vectors-{name}"] = {"sha256": found.sha256, "items_without": lacking}
    return facts
