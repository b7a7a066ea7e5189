"""A complete run, new or resumed: from a config and a Grid to a run folder with a report."""

import contextlib
import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from threadpoolctl import threadpool_limits

from fedrec.config.config import Config
from fedrec.errors import DataError, FedrecError
from fedrec.factory.run_folder import run_path
from fedrec.report.page import write_report
from fedrec.runs.directory import has_run, locked
from fedrec.runs.record import COMPLETE
from server.aggregation.strategies import check_cohort, check_unit, make_strategy, secret_options
from server.aggregation.strategy_state import snapshot
from server.checkpoints.extension import CLIENT_STATE, DELETED, KEPT
from server.checkpoints.folder import load_checkpoint
from server.checkpoints.recorder import OnRound, Recorder
from server.checkpoints.resume import checkpoint_to_resume, is_complete, run_identity
from server.evaluation.final import baseline_metrics, excluded_at_registration, finalize_run
from server.lifecycle.run_folder import RunFolder
from server.lifecycle.signals import interruption_code, raise_pending_signal, uninterrupted
from server.lifecycle.stop_file import clear_stop_request, stop_if_requested
from server.messages.exchange import Watch, watch_nothing
from server.messages.private_state import delete_client_state
from server.messages.registration import register_clients
from server.rounds import run_rounds
from server.sampling.population import cohort_size
from server.sampling.unavailable import recorded_unavailability
from server.setup import Setup, set_up
from server.state.context import ServerContext
from server.trackers.tracked import check_trackers, tracked


def run_server(
    grid: Grid,
    config: Config,
    *,
    engine: str,
    command: str,
    on_round: OnRound | None = None,
    on_wait: Watch = watch_nothing,
    scorer: str = "model",
    threads: int = 1,
) -> Path:
    """Run a federation over any Grid; return the run folder.

    With ``run.resume``, a run in the folder is resumed from its last checkpoint.

    Args:
        grid: Grid that carries the messages.
        config: Config of the run.
        engine: Name of the engine, for the record.
        command: Command that repeats the run, for the record.
        on_round: Callback, called with each line of rounds.jsonl.
        on_wait: Callback, called with the numbers of replies and messages while the server waits.
        scorer: "model", or the name of a baseline, which trains nothing.
        threads: Threads of torch in a client; another number gives other sums.

    Raises:
        FedrecError: The run failed; run.json holds the reason.
    """
    # Flower's strategies log three lines a round between the rows of the table.
    logging.getLogger("flwr").setLevel(logging.WARNING)
    check_trackers(config)
    strategy = checked_strategy(config)
    if config.run.replay:
        recorded_unavailability(Path(config.run.replay))  # refuses what is no run folder
    path, identity = run_path(config), run_identity(config, threads, scorer)
    with one_thread(), locked(path), contextlib.ExitStack() as entered:
        clear_stop_request(path)
        resumed = None
        if config.run.resume and has_run(path):
            if is_complete(path, config):
                clean_up_after(grid, config, RunFolder.open(path))
                return path
            if config.run.extend and RunFolder.open(path).about.get("status") in COMPLETE:
                # It may have been killed before its clients had deleted their state.
                clean_up_after(grid, config, RunFolder.open(path))
            resumed = checkpoint_to_resume(path, config, identity)
        if resumed is None:
            folder = RunFolder.create(path, config, engine=engine, command=command)
        else:
            folder = RunFolder.open(path)
        completed = -1 if resumed is None else resumed.checkpoint.round
        on_round = entered.enter_context(tracked(config, folder, completed, on_round))
        every, secrets = config.run.checkpoint_every, secret_options(config.strategy.options)
        recorder = Recorder(folder, strategy, every, identity, on_round, secrets)

        def watch(arrived: int, expected: int) -> None:
            stop_if_requested(path)
            raise_pending_signal()
            on_wait(arrived, expected)

        try:
            setup = set_up(
                grid,
                config,
                strategy,
                engine=engine,
                recorder=recorder,
                resumed=resumed,
                scorer=scorer,
                watch=watch,
            )
            _run(setup, recorder)
        except BaseException as error:
            with uninterrupted():  # after a second Ctrl-C, too, run.json says how the run ended
                recorder.save_if_possible()
                folder.fail(error, exit_code_of(error))
            raise
        # First, since a report takes seconds in which a process may be killed.
        clean_up_clients(setup.context, folder)
        folder.check_in_place()
        write_report(path)
    return path


def checked_strategy(config: Config) -> Strategy:
    """Make the strategy of a run that goes with its clients and its checkpoints.

    Raises:
        ConfigError: An unknown one, options that it does not take, or clients that it cannot have.
    """
    strategy = make_strategy(config.strategy.name, config.strategy.options)
    check_unit(config.strategy.name, strategy, config.federation.unit)
    check_cohort(strategy, cohort_size(config.partition.count, config.federation.fraction))
    if config.run.checkpoint_every:
        snapshot(strategy)  # refuses one whose state no checkpoint could hold
    return strategy


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and numpy's BLAS to one thread: no sum may depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def clean_up_clients(context: ServerContext, folder: RunFolder) -> None:
    """Delete the clients' private state of a complete run; a failure does not end the run."""
    with uninterrupted():
        try:
            if context.config.run.keep_client_state:
                folder.describe(client_state=KEPT)
                return
            delete_client_state(context.grid, context.registration, context.token)
            folder.describe(client_state=DELETED)
        except Exception as error:  # of the engine; the run is done all the same
            with contextlib.suppress(FedrecError):
                folder.log(f"the clients' private files were not deleted: {error}")


def clean_up_after(grid: Grid, config: Config, folder: RunFolder) -> None:
    """Delete private client state that a complete run was killed too early to delete.

    Args:
        grid: Grid that carries the messages.
        config: Config of the run.
        folder: Folder of the complete run.
    """
    if folder.about.get(CLIENT_STATE) in (DELETED, KEPT):
        return
    if config.run.keep_client_state:
        folder.describe(client_state=KEPT)
        return
    with contextlib.suppress(DataError):  # without a checkpoint nobody knows their name
        checkpoint, _ = load_checkpoint(folder.path)
        if checkpoint is not None and checkpoint.state.private_files():
            count, timeout = config.partition.count, config.federation.round_timeout
            registration = register_clients(
                grid,
                count,
                config.most_targets,
                timeout,
                shares_counts=config.federation.shares_counts,
            )
            delete_client_state(grid, registration, checkpoint.about["token"])
            folder.describe(client_state=DELETED)


def _run(setup: Setup, recorder: Recorder) -> None:
    """Evaluate the baselines, run the rounds, evaluate the best weights and write the results."""
    context, state = setup.context, setup.state
    gc.freeze()  # Flower's QFedAvg and Bulyan collect garbage for every array they read
    try:
        baselines, excluded = baseline_metrics(context, state, setup.manifest)
        excluded = excluded_at_registration(context.registration) | excluded
        run_rounds(context, state, recorder, setup.completed)
        finalize_run(
            context, state, recorder.folder, setup.catalog, setup.model, baselines, excluded
        )
    finally:
        gc.unfreeze()
        recorder.log_traceback(state)  # of a round that failed, too


def exit_code_of(error: BaseException) -> int:
    """Exit code of the error that ended a run."""
    if isinstance(error, FedrecError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return interruption_code(error)
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return 1
