"""Setup of a run: registration, resumption, catalogue, model, and the server's context."""

import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedrec.config.config import Config
from fedrec.config.values.choices import names_in
from fedrec.data.catalog import Catalog
from fedrec.data.preparation.prepared_folder import find_prepared, open_catalog
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.factory.model import make_model
from fedrec.factory.own_views import inputs_hash
from fedrec.factory.start_weights import start_weights
from fedrec.factory.table import open_table
from fedrec.files.home import home
from fedrec.models.parameters import NamedArrays, arrays_of, groups_of
from fedrec.models.recommender import Recommender
from fedrec.runs.record import read_about
from fedrec.runs.sent import withheld
from server.aggregation.strategy_state import restore
from server.checkpoints.extension import extension
from server.checkpoints.folder import Checkpoint
from server.checkpoints.recorder import Recorder
from server.checkpoints.resume import Resumed, differences, restore_run, with_private_files
from server.evaluation.final import run_facts
from server.granularity.make import make_clients
from server.granularity.traffic import item_rows
from server.messages.conflicts import OTHER_INPUTS
from server.messages.exchange import Watch, watch_nothing
from server.messages.private_state import missing_private_files
from server.messages.registration import Registration, register_clients, without_impossible
from server.messages.sent import check_counts
from server.sampling.unavailable import REGISTRATION, Unavailability, recorded_unavailability
from server.state.context import ServerContext
from server.state.joints import NO_JOINTS, Joints, joints_of
from server.state.server_state import ServerState


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run that is ready for its first round, or its next.

    Attributes:
        context: Context of the run, the same over all rounds.
        state: Weights to start from.
        model: Model of the run.
        catalog: Catalogue of the items.
        manifest: Facts of the prepared data.
        completed: Last round that is complete; -1 for a new run.
    """

    context: ServerContext
    state: ServerState
    model: Recommender
    catalog: Catalog
    manifest: dict[str, Any]
    completed: int


def set_up(
    grid: Grid,
    config: Config,
    strategy: Strategy,
    *,
    engine: str,
    recorder: Recorder,
    resumed: Resumed | None,
    scorer: str,
    watch: Watch,
) -> Setup:
    """Register the clients, then make the state of a run or restore it from a checkpoint.

    Args:
        grid: Grid that carries the messages.
        config: Config of the run.
        strategy: Strategy of the run; its state is restored when the run is resumed.
        engine: Name of the engine, for the record.
        recorder: Recorder of history and checkpoints.
        resumed: Checkpoint to resume from, or none.
        scorer: "model", or the name of a baseline.
        watch: Callback, called while the server waits for replies.

    Raises:
        FedrecError: A client, the data or a checkpoint does not fit the config.
    """
    plan = config.federation
    registration = register_clients(
        grid,
        config.partition.count,
        config.most_targets,
        plan.round_timeout,
        watch,
        shares_counts=plan.shares_counts,
        min_participation=plan.min_participation,
        recorded=_recorded(config).get(REGISTRATION, {}),
    )
    catalog, manifest = open_catalogue(registration.data_hash)
    registration = without_impossible(
        registration, manifest, catalog.num_items, plan.min_participation
    )
    data = {"data": {"events": registration.data_hash, "embedding table": registration.table_hash}}
    if registration.excluded:
        data["data"]["excluded partitions"] = str(sorted(registration.excluded))
    if registration.views_hash:
        data["data"]["own views"] = registration.views_hash
    token, completed = uuid.uuid4().hex, -1
    if resumed is not None:
        resumed = _check_resumed(grid, config, registration, resumed, recorder, data)
        token, completed = resumed.checkpoint.about["token"], resumed.checkpoint.round
        restore_run(recorder.folder, resumed, engine, config)
    for partition, reason in registration.excluded.items():
        recorder.folder.log(f"excluded partition {partition}: {reason}")
    check_cutoffs(config.evaluation.cutoffs, catalog.num_items)
    check_counts(config, registration)
    table = open_table(config, catalog)
    if table is not None and table.sha256 != registration.table_hash:
        raise DataError(
            "the clients hold another frozen embedding table than the server; their encoder or "
            "semantics.* differ"
        )
    frequency = registration.item_counts(catalog.num_items)
    model = make_model(config, catalog, table, frequency, np.arange(registration.num_users))
    if inputs_hash(config, catalog, lambda: model) != registration.views_hash:
        raise ConfigError(OTHER_INPUTS)
    facts = run_facts(config, registration, catalog, manifest, table, model)
    recorder.folder.describe(**facts)
    if line := withheld(facts["sent"]):
        recorder.folder.log(line)
    state = ServerState(first_weights(config, model, catalog, registration.data_hash))
    if resumed is not None:
        state = resumed.checkpoint.state
        restore(strategy, resumed.checkpoint.strategy, recorder.secrets)
    recorder.begin(data | {"token": token}, completed)
    context = make_context(
        grid,
        config,
        strategy,
        registration,
        model,
        frequency=frequency,
        num_users=int(manifest["users"]),
        token=token,
        scorer=scorer,
        watch=watch,
        joints=_joints(config, recorder),
    )
    return Setup(
        context=context,
        state=state,
        model=model,
        catalog=catalog,
        manifest=manifest,
        completed=completed,
    )


def make_context(
    grid: Grid,
    config: Config,
    strategy: Strategy,
    registration: Registration,
    model: Recommender,
    *,
    frequency: np.ndarray,
    num_users: int,
    token: str,
    scorer: str = "model",
    watch: Watch = watch_nothing,
    joints: Joints = NO_JOINTS,
) -> ServerContext:
    """Make the context of a run whose clients are registered and whose model is made.

    Args:
        grid: Grid that carries the messages.
        config: Config of the run.
        strategy: Strategy of the run.
        registration: Registration of the clients.
        model: Model of the run.
        frequency: (V + 1,) Training events per item over all clients, zeros if not shared.
        num_users: Users of the data, over all partitions.
        token: Name of the clients' private files of this run.
        scorer: "model", or the name of a baseline.
        watch: Callback, called while the server waits for replies.
        joints: Rounds after which the run, or the run that is replayed, was extended.
    """
    unavailability = Unavailability(
        dropout_rate=config.federation.drop_out,
        seed=config.seed,
        recorded=_recorded(config),
    )
    shared = groups_of(model, names_in(config.model.private)).shared
    clients = make_clients(
        config,
        registration,
        unavailability,
        model=model,
        shared=shared,
        num_items=len(frequency) - 1,
    )
    return ServerContext(
        grid=grid,
        strategy=strategy,
        config=config,
        registration=registration,
        clients=clients,
        unavailability=unavailability,
        token=token,
        frequency=frequency,
        num_users=num_users,
        num_views=len(model.view_names),
        item_rows=item_rows(model, shared),
        scorer=scorer,
        watch=watch,
        joints=joints,
    )


def _joints(config: Config, recorder: Recorder) -> Joints:
    """Joints of this run, or of the run that is replayed."""
    replayed = read_about(Path(config.run.replay)) if config.run.replay else None
    return joints_of(replayed or recorder.folder.about)


def _recorded(config: Config) -> dict[str, dict[int, str]]:
    """Excluded partitions on record in the run that is replayed; none otherwise."""
    return recorded_unavailability(Path(config.run.replay)) if config.run.replay else {}


def _check_resumed(
    grid: Grid,
    config: Config,
    registration: Registration,
    resumed: Resumed,
    recorder: Recorder,
    data: dict[str, Any],
) -> Resumed:
    """Find the newest checkpoint whose data and private files are those of the clients."""
    path = recorder.folder.path
    if found := differences(resumed.checkpoint.about, data):
        raise DataError(f"{path} holds a run on other data: {'; '.join(found)}")
    token, about = resumed.checkpoint.about["token"], recorder.folder.about

    def missing(checkpoint: Checkpoint) -> dict[int, str]:
        if replace(resumed, checkpoint=checkpoint).client_state_is_gone(about):
            return {}
        files = checkpoint.state.private_files()
        timeout = config.federation.round_timeout
        return missing_private_files(grid, registration, token, files, timeout)

    usable = with_private_files(path, resumed, missing)
    if usable.extension is not None and usable.checkpoint is not resumed.checkpoint:
        begins = extension(path, about, config, usable.checkpoint)
        usable = replace(usable, extension=begins)
    return usable


def open_catalogue(data_hash: str) -> tuple[Catalog, dict[str, Any]]:
    """Open the catalogue of the clients' data and its manifest; the server reads no interaction.

    Raises:
        DataError: The catalogue is not under ``$FEDREC_HOME``.
    """
    folder = find_prepared(data_hash, home())
    if folder is None:
        raise DataError(
            f"the catalogue of the clients' data ({data_hash[:16]}) is not under "
            f"{home() / 'prepared'}; copy manifest.json and catalog.json of their prepared folder "
            "there"
        )
    return open_catalog(folder)[0], json.loads((folder / "manifest.json").read_bytes())


def first_weights(
    config: Config, model: Recommender, catalog: Catalog, data_hash: str
) -> NamedArrays:
    """Shared parameters before the first round, float64: those of a new model, or given ones.

    Raises:
        DataError: The given ones do not fit the model or its catalogue.
    """
    if config.run.start_from:
        return start_weights(config, model, catalog, data_hash)
    return initial_weights(config, model)


def initial_weights(config: Config, model: Recommender) -> NamedArrays:
    """Shared parameters of a new model, float64."""
    shared = groups_of(model, names_in(config.model.private)).shared
    return {name: array.astype(np.float64) for name, array in arrays_of(model, shared).items()}
