"""Setting a run up: registration, resumption, catalogue, model, and the server's context."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedrec.config.choices import names_in
from fedrec.config.config import Config
from fedrec.data.catalog import Catalog
from fedrec.data.prepared_folder import find_prepared, open_catalog
from fedrec.errors import DataError
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.factory.model import make_model
from fedrec.factory.table import open_table
from fedrec.files.home import home
from fedrec.models.parameters import NamedArrays, arrays_of, groups_of
from fedrec.models.recommender import Recommender
from server.aggregation.strategy_state import restore
from server.checkpoints.folder import Checkpoint
from server.checkpoints.recorder import Recorder
from server.checkpoints.resume import Resumed, differences, go_on, with_private_files
from server.evaluation.final import run_facts
from server.granularity.make import make_clients
from server.messages.exchange import Watch, watch_nothing
from server.messages.private_state import missing_private_files
from server.messages.registration import Registration, register_clients
from server.sampling.unavailable import Unavailability, recorded_unavailability
from server.state import ServerContext, ServerState
from server.traffic import item_rows


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run that is ready for its first round, or its next.

    Attributes:
        context: What stays the same over all rounds.
        state: Weights to start from.
        model: Model of the run.
        catalog: The items.
        manifest: Facts of the prepared data.
        completed: Last round that the state has behind it; -1 for a new run.
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
    """Register the clients and make what a run needs, or restore it from a checkpoint.

    Args:
        grid: Carries the messages.
        config: Config of the run.
        strategy: Aggregates; gets its state back when a run is resumed.
        engine: Name of the engine, for the record.
        recorder: Writes history and checkpoints.
        resumed: Checkpoint to go on from, or none.
        scorer: "model", or a baseline such as "popularity".
        watch: Called while the server waits.

    Raises:
        FedrecError: A client, the data or a checkpoint does not fit the config.
    """
    registration = register_clients(
        grid,
        config.partition.count,
        config.most_targets,
        config.federation.round_timeout,
        watch,
    )
    data = {"data": {"events": registration.data_hash, "meanings": registration.table_hash}}
    token, completed = uuid.uuid4().hex, -1
    if resumed is not None:
        resumed = _check_resumed(grid, config, registration, resumed, recorder, data)
        token, completed = resumed.checkpoint.about["token"], resumed.checkpoint.round
        go_on(recorder.folder, resumed, engine)
    catalog, manifest = open_catalogue(registration.data_hash)
    check_cutoffs(config.evaluation.cutoffs, catalog.num_items)
    table = open_table(config, catalog)
    if table is not None and table.sha256 != registration.table_hash:
        raise DataError(
            "the clients hold another table of meanings than the server; their encoder or "
            "semantics.* differ"
        )
    frequency = registration.item_counts(catalog.num_items)
    model = make_model(config, catalog, table, frequency, np.arange(registration.num_users))
    recorder.folder.describe(**run_facts(config, registration, catalog, manifest, table, model))
    state = ServerState(initial_weights(config, model))
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
        num_items=catalog.num_items,
        token=token,
        scorer=scorer,
        watch=watch,
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
    num_items: int,
    token: str,
    scorer: str = "model",
    watch: Watch = watch_nothing,
) -> ServerContext:
    """The context of a run whose clients are registered and whose model is made.

    Args:
        grid: Carries the messages.
        config: Config of the run.
        strategy: Aggregates.
        registration: What each partition holds.
        model: Model of the run.
        num_items: V.
        token: Name of the clients' private files of this run.
        scorer: "model", or a baseline such as "popularity".
        watch: Called while the server waits.
    """
    replay = config.run.replay
    unavailability = Unavailability(
        config.federation.drop_out,
        config.seed,
        recorded_unavailability(Path(replay)) if replay else {},
    )
    shared = groups_of(model, names_in(config.model.private)).shared
    clients = make_clients(
        config,
        registration,
        unavailability,
        model=model,
        shared=shared,
        num_items=num_items,
    )
    return ServerContext(
        grid=grid,
        strategy=strategy,
        config=config,
        registration=registration,
        clients=clients,
        unavailability=unavailability,
        token=token,
        frequency=registration.item_counts(num_items),
        num_views=len(model.view_names),
        item_rows=item_rows(model, shared),
        scorer=scorer,
        watch=watch,
    )


def _check_resumed(
    grid: Grid,
    config: Config,
    registration: Registration,
    resumed: Resumed,
    recorder: Recorder,
    data: dict[str, Any],
) -> Resumed:
    """The newest checkpoint whose data and private files are those of the registered clients."""
    path = recorder.folder.path
    if found := differences(resumed.checkpoint.about, data):
        raise DataError(f"{path} holds a run on other data: {'; '.join(found)}")
    token = resumed.checkpoint.about["token"]

    def lost(checkpoint: Checkpoint) -> dict[int, str]:
        files = checkpoint.state.private_files()
        timeout = config.federation.round_timeout
        return missing_private_files(grid, registration, token, files, timeout)

    return with_private_files(path, resumed, lost)


def open_catalogue(data_hash: str) -> tuple[Catalog, dict[str, Any]]:
    """The catalogue of the clients' data and its manifest; the server reads no interaction.

    Raises:
        DataError: It is not under ``$FEDREC_HOME``.
    """
    folder = find_prepared(data_hash, home())
    if folder is None:
        raise DataError(
            f"the catalogue of the clients' data ({data_hash[:16]}) is not under "
            f"{home() / 'prepared'}; copy manifest.json and catalog.json of their prepared folder "
            "there"
        )
    return open_catalog(folder)[0], json.loads((folder / "manifest.json").read_bytes())


def initial_weights(config: Config, model: Recommender) -> NamedArrays:
    """Shared parameters of a new model, float64."""
    shared = groups_of(model, names_in(config.model.private)).shared
    return {name: array.astype(np.float64) for name, array in arrays_of(model, shared).items()}
