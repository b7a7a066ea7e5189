"""Run a baseline of a federation: centralised, local-only, or a scorer that is no model of ours."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clients.app import app
from experiments.baselines.local import local_only_baseline
from experiments.engines.run import ignore, saying_how_to_go_on
from fedrec.baselines.names import BASELINES, LIGHTGCN
from fedrec.config.config import USER_KEYS, Config
from fedrec.config.keys import flatten
from fedrec.config.sections.federation import Federation
from fedrec.config.sections.local import Local
from fedrec.config.sections.model import Model
from fedrec.errors import ConfigError
from fedrec.factory.checks import check_fit, check_ranking
from fedrec.factory.fit_defaults import fit_defaults
from fedrec.files.machine import usual_threads
from fedrec.report.references import BASELINE_ENGINE
from fedrec.runs.directory import has_run
from server.aggregation.server_adam import ServerAdam
from server.aggregation.strategies import make_strategy
from server.checkpoints.folder import load_checkpoint
from server.checkpoints.resume import is_complete
from server.engines.inline import InlineGrid
from server.run import run_server

KINDS = ("local-only", "centralised", *BASELINES)
NO_RESUME = (
    "a local-only baseline is trained client by client and keeps no weights, so there is nothing "
    "to resume; run it again: fedrec baseline local-only ... --overwrite"
)


def check_kind(kind: str) -> None:
    """Refuse an unknown kind of baseline.

    Raises:
        ConfigError: ``kind`` is none of ``KINDS``.
    """
    if kind not in KINDS:
        raise ConfigError(f"a baseline is one of {', '.join(KINDS)}, got {kind!r}")


def engine_of(kind: str) -> str:
    """How run.json names the engine of a baseline."""
    return f"{BASELINE_ENGINE}{kind})"


def run_baseline(
    kind: str,
    config: Config,
    folder: Path,
    on_round: Callable[[dict[str, Any]], None],
    on_wait: Callable[[int, int], None] = ignore,
    threads: int | None = None,
) -> Path:
    """Run a baseline and leave a run folder like any other run's.

    "centralised" is one client that holds everybody, with FedAvg over that one client, whole passes
    and an optimiser whose state is kept: bit for bit a plain training loop (a test), and free to
    use all cores, which clients of a federation share. Settings of the local training
    (``local.*``, ``loss.*``) are the config's; ``BASELINES`` have their own. "local-only" is every
    client alone (``experiments.baselines.local``), a user with the optimiser of "centralised".

    Args:
        kind: One of ``KINDS``.
        config: Resolved config, with absolute paths.
        folder: Folder of the run.
        on_round: Callback, called with each line of rounds.jsonl; a round of "centralised" is a
            pass over the data, one of "local-only" a round of the federation, or with users a
            local step.
        on_wait: Callback, called with the numbers of finished clients of "local-only" and of all.
        threads: Threads of "centralised"; other numbers give other sums. If None, those of the run
            that is resumed, else OMP_NUM_THREADS, else all usable cores.

    Raises:
        FedrecError: The run failed.
    """
    check_kind(kind)
    config = fit_defaults(config, keep=() if kind == "local-only" else ("partition.count",))
    if kind == "local-only":
        _check_everybody(config)
        if config.run.start_from:
            raise ConfigError(
                "run.start-from must be empty for a local-only baseline, whose clients start from "
                f"new weights, got {config.run.start_from!r}"
            )
        if config.run.resume and has_run(folder):
            if is_complete(folder, config):
                return folder
            raise ConfigError(f"{folder}: {NO_RESUME}")
        return local_only_baseline(
            config,
            folder,
            engine=engine_of(kind),
            optimizer=centralised_config(config, folder).local,
            on_round=on_round,
            on_wait=on_wait,
        )
    alone = baseline_config(kind, config, folder)
    check_baseline(kind, alone)
    said = f" --threads {threads}" if threads else ""
    threads = threads or _threads_before(alone, folder) or usual_threads()
    grid = InlineGrid(app, 1, flatten(alone), threads=threads)
    with saying_how_to_go_on(folder):
        return run_server(
            grid,
            alone,
            engine=engine_of(kind),
            command=f"fedrec baseline {kind} {folder / 'config.toml'}{said}",
            on_round=on_round,
            scorer="model" if kind == "centralised" else kind,
            threads=threads,
        )


def _threads_before(config: Config, folder: Path) -> int | None:
    """Threads of a run that is resumed, which goes on with as many; None for a new one."""
    if not config.run.resume or not has_run(folder):
        return None
    checkpoint, _ = load_checkpoint(folder)
    machine = checkpoint.about.get("machine", {}) if checkpoint is not None else {}
    return machine.get("threads of a client")


def _check_everybody(config: Config) -> None:
    """Refuse a local-only baseline of some users: each client keeps what its own users rank best.

    Raises:
        ConfigError: Not all users are trained on and evaluated.
    """
    for key, value in (
        ("evaluation.users", config.evaluation.users),
        ("evaluation.validation-users", config.evaluation.validation_users),
        ("scenario.unseen-users", config.scenario.unseen_users),
    ):
        if value:
            raise ConfigError(
                f"{key} must be 0 for a local-only baseline, in which each client picks its "
                f"weights by its own users, got {value:g}"
            )


def check_baseline(kind: str, alone: Config) -> None:
    """Refuse a baseline that its settings or its data do not allow; not for "local-only".

    Raises:
        FedrecError: As for ``check_fit``; no counts for popularity.
    """
    if kind == LIGHTGCN and alone.scenario.unseen_users:
        raise ConfigError(
            "scenario.unseen-users must be 0 for lightgcn, which knows a user by an embedding that "
            f"training makes, got {alone.scenario.unseen_users:g}"
        )
    if kind == "popularity" and not alone.federation.share_counts:
        raise ConfigError(
            "popularity needs training counts, which federation.share-counts = false keeps on the "
            "devices; set federation.share-counts = true"
        )
    if kind == "centralised":
        check_fit(alone)
    else:
        check_ranking(alone)  # no negatives are drawn that could be too many


def baseline_config(kind: str, config: Config, folder: Path) -> Config:
    """Config that the folder of a baseline keeps: one partition; not for "local-only"."""
    alone = centralised_config(config, folder)
    if kind in BASELINES:
        alone = dataclasses.replace(alone, run=dataclasses.replace(alone.run, start_from=""))
    if kind == "nearest-text":  # a view that needs the frozen embedding table
        alone = dataclasses.replace(alone, model=Model(views="semantic"))
    return alone


def centralised_config(config: Config, folder: Path) -> Config:
    """Config of the centralised run of the same model: one partition that never drops out.

    Where every user is a client and the server steps with Adam, a round is a batch of
    ``federation.cohort`` users, and the centralised run takes the steps of the same Adam on such
    random batches, of the same windows: both optimise the same mean over targets. Nothing is sent,
    so nothing is clipped or rounded on its way, and items are counted however few the users are. A
    rate that falls does so over passes here: ``local.schedule-rounds``, not the server's.
    """
    change, federation, local = dataclasses.replace, config.federation, config.local
    if federation.unit == "user":
        local = change(
            local,
            batch_size=federation.cohort,
            batches="random",
            group_tokens=Local().group_tokens,
        )
        if config.strategy.name == "server-adam":
            server = make_strategy(config.strategy.name, config.strategy.options)
            assert isinstance(server, ServerAdam)
            local = change(
                local,
                optimizer="adam",
                learning_rate=server.learning_rate,
                beta_1=server.beta_1,
                beta_2=server.beta_2,
                epsilon=server.epsilon,
            )
        federation = change(
            federation, **{key: getattr(Federation(), key) for key in ("unit", *USER_KEYS)}
        )
    return change(
        config,
        partition=change(config.partition, count=1, by="uniform"),
        strategy=change(config.strategy, name="fedavg", options=""),
        local=change(local, steps=0, epochs=1, optimizer_state="keep"),
        federation=change(
            federation,
            fraction=1.0,
            evaluate_fraction=1.0,
            drop_out=0.0,
            share_counts_min_users=1,
        ),
        run=change(config.run, dir=str(folder)),
    )
