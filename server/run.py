"""A whole run, from a config and a Grid to a run folder with a report: new, or resumed."""

import contextlib
import gc
import json
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from threadpoolctl import threadpool_limits

from fedrec.config.choices import names_in
from fedrec.config.config import Config
from fedrec.data.catalog import Catalog
from fedrec.data.store import find_prepared, open_catalog
from fedrec.errors import ConfigError, DataError, FedrecError, MessageError
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.factory.model import make_model
from fedrec.factory.table import open_table
from fedrec.files.home import home
from fedrec.models.parameters import arrays_of, groups_of
from fedrec.models.recommender import Recommender
from fedrec.report.page import write_report
from server.aggregation.strategies import check_cohort, check_unit, make_strategy, secret_options
from server.aggregation.strategy_state import restore, snapshot
from server.checkpoints.folder import Checkpoint
from server.checkpoints.recorder import OnRound, Recorder
from server.checkpoints.resume import (
    Resumed,
    checkpoint_to_resume,
    differences,
    finished,
    go_on,
    identity,
    with_private_files,
)
from server.evaluation.final import finish, reference_metrics, run_facts
from server.lifecycle.run_directory import has_run, locked, run_path
from server.lifecycle.run_folder import RunFolder
from server.lifecycle.signals import interruption_code, raise_lost, uninterrupted
from server.lifecycle.stop_file import forget_wish, stop_if_asked
from server.messages.exchange import Watch, nothing
from server.messages.private_state import dismiss, lost_private_files
from server.messages.registration import Census, take_census
from server.rounds import federate
from server.sampling.population import NOBODY, Population, cohort_size
from server.sampling.unavailable import Absences, recorded_absences
from server.state import Federation, State
from server.traffic import traffic_of


def serve(
    grid: Grid,
    config: Config,
    *,
    engine: str,
    command: str,
    on_round: OnRound | None = None,
    on_wait: Watch = nothing,
    scorer: str = "model",
    threads: int = 1,
) -> Path:
    """Run a whole federation over any Grid; return the run folder.

    With ``run.resume`` it goes on from the last checkpoint in the folder, if there is a run.

    Args:
        grid: carries the messages.
        config: of the run.
        engine: name of what carries them, for the record.
        command: that repeats the run, for the record.
        on_round: called with each line of rounds.jsonl.
        on_wait: called while replies are waited for, with how many came of how many.
        scorer: "model", or one that trains nothing, such as "popularity".
        threads: that a client's torch may use; other numbers give other sums.

    Raises:
        FedrecError: after run.json says that the run failed, and why.
    """
    # Flower's strategies log three lines a round between the rows of the table.
    logging.getLogger("flwr").setLevel(logging.WARNING)
    strategy = make_strategy(config.strategy.name, config.strategy.options)
    check_unit(config.strategy.name, strategy, config.federation.unit)
    check_cohort(strategy, cohort_size(config.partition.count, config.federation.fraction))
    if config.run.checkpoint_every:
        snapshot(strategy)  # refuses one whose state no checkpoint could hold
    path, about = run_path(config), identity(config, threads, scorer)
    with one_thread(), locked(path):
        forget_wish(path)
        resumed = None
        if config.run.resume and has_run(path):
            if finished(path, config):
                return path
            resumed = checkpoint_to_resume(path, config, about)
        if resumed is None:
            folder = RunFolder.create(path, config, engine=engine, command=command)
        else:
            folder = RunFolder.found(path)
        every, secrets = config.run.checkpoint_every, secret_options(config.strategy.options)
        recorder = Recorder(folder, strategy, every, about, on_round, secrets)

        def watch(arrived: int, asked: int) -> None:
            stop_if_asked(path)
            raise_lost()
            on_wait(arrived, asked)

        try:
            census, token = _run(grid, config, strategy, engine, recorder, resumed, scorer, watch)
        except BaseException as error:
            with uninterrupted():  # a second Ctrl-C, too, finds a folder that says how it ended
                recorder.save_if_possible()
                folder.fail(error, exit_code_of(error))
            raise
        write_report(path)
        say_goodbye(grid, census, token, folder)
    return path


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """No sum over replies may depend on the number of cores: torch's, or Krum's in numpy's BLAS."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def say_goodbye(grid: Grid, census: Census, token: str, folder: RunFolder) -> None:
    """Let the clients forget a run that is complete, whatever becomes of that."""
    with uninterrupted():
        try:
            dismiss(grid, census, token)
        except Exception as error:  # of the engine; the run is done all the same
            with contextlib.suppress(FedrecError):
                folder.log(f"the clients' private files were left where they are: {error}")


def _run(
    grid: Grid,
    config: Config,
    strategy: Strategy,
    engine: str,
    recorder: Recorder,
    resumed: Resumed | None,
    scorer: str,
    watch: Watch,
) -> tuple[Census, str]:
    """Census, model, references, rounds, end; who is there, and the name of their files."""
    folder, timeout = recorder.folder, config.federation.round_timeout
    census = take_census(
        grid,
        config.partition.count,
        config.most_targets,
        timeout,
        watch,
    )
    data = {"data": {"events": census.data_hash, "meanings": census.table_hash}}
    token, done = uuid.uuid4().hex, -1
    if resumed is not None:
        if found := differences(resumed.checkpoint.about, data):
            raise DataError(f"{folder.path} holds a run on other data: {'; '.join(found)}")
        token = resumed.checkpoint.about["token"]

        def lost(checkpoint: Checkpoint) -> dict[int, str]:
            files = checkpoint.state.private_files()
            return lost_private_files(grid, census, token, files, timeout)

        resumed = with_private_files(folder.path, resumed, lost)
        done = resumed.checkpoint.round
        go_on(folder, resumed, engine)
    catalog, manifest = _catalogue(census.data_hash)
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
    model = make_model(config, catalog, table, frequency, np.arange(census.num_users))
    folder.describe(**run_facts(config, census, catalog, manifest, table, model))
    state = State(_initial_weights(config, model))
    if resumed is not None:
        state = resumed.checkpoint.state
        restore(strategy, resumed.checkpoint.strategy, recorder.secrets)
    recorder.begin(data | {"token": token}, done)
    federation = Federation(
        grid,
        strategy,
        config,
        census,
        token,
        frequency,
        len(model.view_names),
        scorer,
        population_of(config, census),
        traffic_of(
            model,
            state.weights,
            download=config.federation.download,
            upload=config.federation.upload,
        ),
        _absences(config),
        watch,
    )
    gc.freeze()  # Flower's QFedAvg and Bulyan collect garbage for every array they read
    try:
        references, left_out = reference_metrics(federation, state, manifest)
        federate(federation, state, recorder, done)
        finish(federation, state, folder, catalog, model, references, left_out)
    finally:
        gc.unfreeze()
        recorder.tell_traceback(state)  # of a round that failed, too
    return census, token


def _absences(config: Config) -> Absences:
    recorded = recorded_absences(Path(config.run.replay)) if config.run.replay else {}
    return Absences(config.federation.drop_out, config.seed, recorded)


def population_of(config: Config, census: Census) -> Population:
    """The users that rounds draw from, where every user is a client.

    Raises:
        ConfigError: a cohort of more users than there are.
        DataError: none of them has anything to train on.
        MessageError: the clients did not say how much each user has.
    """
    if config.federation.unit == "partition":
        return NOBODY
    if set(census.user_targets) != set(census.partitions):
        raise MessageError("the SuperNodes did not say how many training targets each user has")
    population = Population.of(census.users, census.user_targets)
    if not len(population.users):
        raise DataError("no user has two training events; raise data.min-user-events")
    if config.federation.cohort > (most := len(population.users)):
        raise ConfigError(
            f"federation.cohort is {config.federation.cohort}, but {most} users have two training "
            f"events; set federation.cohort = {most} or less"
        )
    return population


def _catalogue(data_hash: str) -> tuple[Catalog, dict[str, Any]]:
    """The catalogue of the data that the clients hold: never an interaction."""
    folder = find_prepared(data_hash, home())
    if folder is None:
        raise DataError(
            f"the catalogue of the clients' data ({data_hash[:16]}) is not under "
            f"{home() / 'prepared'}; copy manifest.json and catalog.json of their prepared folder "
            "there"
        )
    return open_catalog(folder)[0], json.loads((folder / "manifest.json").read_bytes())


def _initial_weights(config: Config, model: Recommender) -> dict[str, np.ndarray]:
    shared = groups_of(model, names_in(config.model.private)).shared
    return {name: array.astype(np.float64) for name, array in arrays_of(model, shared).items()}


def exit_code_of(error: BaseException) -> int:
    """The exit code of whatever ended a run."""
    if isinstance(error, FedrecError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return interruption_code(error)
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return 1
