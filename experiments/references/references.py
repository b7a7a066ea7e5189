"""What a federation is compared with: all data in one place, each client alone, no model at all."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clients.app import app
from experiments.engines.run import ignore, saying_how_to_go_on
from experiments.references.local import local_reference
from fedrec.baselines.names import BASELINES
from fedrec.config.config import USER_KEYS, Config
from fedrec.config.keys import flatten
from fedrec.config.sections.federation import Federation
from fedrec.config.sections.local import Local
from fedrec.config.sections.model import Model
from fedrec.errors import ConfigError
from fedrec.factory.checks import check_fit, check_ranking
from fedrec.report.references import IN_ONE_PLACE
from server.aggregation.server_adam import ServerAdam
from server.aggregation.strategies import make_strategy
from server.checkpoints.resume import finished
from server.engines.inline import InlineGrid
from server.lifecycle.run_directory import has_run
from server.run import run_server

KINDS = ("local", "central", *BASELINES)
NO_RESUME = (
    "a local reference is trained client by client and keeps no weights, so there is nothing to "
    "resume; make it again: fedrec reference local ... --overwrite"
)


def check_kind(kind: str) -> None:
    """Refuse a reference that there is none of."""
    if kind not in KINDS:
        raise ConfigError(f"a reference is one of {', '.join(KINDS)}, got {kind!r}")


def engine_of(kind: str) -> str:
    """How run.json names the engine of a reference."""
    return f"{IN_ONE_PLACE}{kind})"


def reference(
    kind: str,
    config: Config,
    folder: Path,
    on_round: Callable[[dict[str, Any]], None],
    on_wait: Callable[[int, int], None] = ignore,
    threads: int | None = None,
) -> Path:
    """Make a reference and leave a run folder like any other run's.

    "central" is one client that holds everybody, with FedAvg over that one client, whole passes
    and an optimiser whose state is kept: bit for bit a plain training loop (a test), and free to
    use all cores, which clients of a federation share. Settings of the local training
    (``local.*``, ``loss.*``) are the config's; ``BASELINES`` train nothing. "local" is every
    client alone (``experiments.references.local``), a user with the optimiser of "central".

    Args:
        kind: one of ``KINDS``.
        config: resolved, with absolute paths.
        folder: of the run.
        on_round: called with each line of rounds.jsonl; a round of "central" is a pass over the
            data, one of "local" a round of the federation, or with users a local step.
        on_wait: called with how many clients of "local" are done of how many.
        threads: that "central" may use; other numbers give other sums. All usable cores if None.

    Raises:
        FedrecError: as any run.
    """
    check_kind(kind)
    if kind == "local":
        if config.run.resume and has_run(folder):
            if finished(folder, config):
                return folder
            raise ConfigError(f"{folder}: {NO_RESUME}")
        return local_reference(
            config,
            folder,
            engine=engine_of(kind),
            optimizer=central_config(config, folder).local,
            on_round=on_round,
            on_wait=on_wait,
        )
    alone = reference_config(kind, config, folder)
    check_reference(kind, alone)
    threads = threads or usable_cores()
    grid = InlineGrid(app, 1, flatten(alone), threads=threads)
    with saying_how_to_go_on(folder):
        return run_server(
            grid,
            alone,
            engine=engine_of(kind),
            command=f"fedrec reference {kind} {folder / 'config.toml'}",
            on_round=on_round,
            scorer="model" if kind == "central" else kind,
            threads=threads,
        )


def check_reference(kind: str, alone: Config) -> None:
    """Refuse a reference in one place that its settings or its data do not allow.

    Raises:
        FedrecError: as ``check_fit``; no counts for popularity.
    """
    if kind == "popularity" and not alone.federation.share_counts:
        raise ConfigError(
            "popularity needs training counts, which federation.share-counts = false keeps on the "
            "devices; set federation.share-counts = true"
        )
    if kind == "central":
        check_fit(alone)
    else:
        check_ranking(alone)  # no negatives are drawn that could be too many


def usable_cores() -> int:
    """Cores that this process may use; more threads than that make a step many times slower."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def reference_config(kind: str, config: Config, folder: Path) -> Config:
    """The config that the folder of a reference in one place keeps."""
    alone = central_config(config, folder)
    if kind == "nearest-text":  # the table of meanings is there for a model that looks at it
        alone = dataclasses.replace(alone, model=Model(views="semantic"))
    return alone


def central_config(config: Config, folder: Path) -> Config:
    """The config of the central run of the same model: one partition that never drops out.

    Where every user is a client and the server steps with Adam, a round is a batch of
    ``federation.cohort`` users, and the central run takes the steps of the same Adam on such
    batches, of the same windows. Nothing is sent, so nothing is clipped or rounded on its way. A
    rate that falls does so over passes here: ``local.schedule-rounds``, not the server's.
    """
    change, federation, local = dataclasses.replace, config.federation, config.local
    if federation.unit == "user":
        local = change(local, batch_size=federation.cohort, group_tokens=Local().group_tokens)
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
        federation=change(federation, fraction=1.0, evaluate_fraction=1.0, drop_out=0.0),
        run=change(config.run, dir=str(folder)),
    )
