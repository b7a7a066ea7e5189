"""``fedrec.simulate`` and ``fedrec.resume``: run a federation from Python."""

import dataclasses
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.engines.run import run
from experiments.notebook import shown_rounds
from experiments.objects import check_objects, object_keys
from experiments.presets import preset_names, read_preset
from experiments.resume import config_of, run_folder
from experiments.resume import resume as resume_run
from experiments.settings import check_source
from fedrec.config.config import Config, Value
from fedrec.config.keys import absolute_paths, flatten, read_config
from fedrec.errors import ConfigError
from fedrec.estimator.data import prepared_folder
from fedrec.runs.record import Run, read_run

if TYPE_CHECKING:
    import pandas as pd
    from flwr.serverapp.strategy import Strategy

    from fedrec.data.preparation.store import Dataset


def simulate(
    settings: str | Mapping[str, Value] | Config | None = None,
    changes: Mapping[str, Value] | None = None,
    *,
    data: "Dataset | pd.DataFrame | None" = None,
    model: str | Callable[..., Any] | None = None,
    strategy: "str | Strategy | type[Strategy] | None" = None,
    loss: str | Callable[..., Any] | None = None,
    metric: str | Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    partition: str | Callable[..., Any] | None = None,
    engine: str = "inline",
    workers: int | None = None,
    address: str | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    trust: bool = False,
    on_round: Callable[[dict[str, Any]], None] | None = None,
) -> Run:
    """Run a federation and return what it left.

    Args:
        settings: A preset's name, a TOML file, dotted keys or a Config; the defaults when None.
        changes: Dotted keys that win over ``settings``: ``{"federation.rounds": 5}``.
        data: Events or a prepared dataset; wins over the key ``data.source``. The columns of a
            DataFrame are named by the keys ``data.user-column`` and so on.
        model: A name or "package.module:name", or the class or function itself that makes a
            ``fedrec.models.recommender.Recommender`` of item rows and an encoder; wins over the key
            ``model.name``, as the following win over theirs.
        strategy: A name, a Flower ``Strategy`` or its class (``strategy.name``).
        loss: A name, or a function as ``fedrec.training.user_loss`` describes (``loss.name``).
        metric: One or several functions as ``fedrec.evaluation.user_metrics`` describes
            (``evaluation.metrics``).
        partition: A rule's name or a function as ``fedrec.data.partitions.assign`` describes
            (``partition.by``).
        engine: "inline" (this process), "ray" (workers on Ray) or "flower" (its simulation).
        workers: Number of workers of engine "ray"; all usable cores when None.
        address: Address of a Ray cluster for engine "ray", "auto" or host:port; None starts one.
        out: Run folder; by default one is named under ``$FEDREC_HOME/runs``.
        seed: Seed of the run; wins over the key ``seed``.
        overwrite: Replace a run that is already in ``out``.
        trust: Import the modules that the config of a run's folder names, if ``settings`` is one.
        on_round: Callback, called with each line of rounds.jsonl. Without one, a notebook shows a
            bar of rounds and a script nothing.

    Raises:
        FedrecError: The settings, the objects or the data cannot be used, or the run failed. An
            object that no module holds, such as a class of a notebook, runs on "inline" only.
    """
    if not isinstance(settings, str | Mapping | Config | None):
        raise ConfigError(
            "settings must be a preset's name, a TOML file, a dict of keys or a Config, got "
            f"{settings!r}"
        )
    given = read_preset(settings) if isinstance(settings, str) else settings
    values = dict(flatten(given) if isinstance(given, Config) else given or {})
    if isinstance(settings, str):
        check_source(settings, values, trust=trust, how="trust=True")
    changed = dict(changes or {})
    changed |= object_keys(strategy, metric, model=model, loss=loss, partition=partition)
    changed |= {} if seed is None else {"seed": seed}
    changed |= {} if out is None else {"run.dir": str(out)}
    changed |= {"run.overwrite": True} if overwrite else {}
    ours = _unwritten(settings, values) - changed.keys()
    config = absolute_paths(read_config(values | changed, unwritten=ours), Path.cwd())
    check_objects(flatten(config), engine)
    if data is not None:
        source = str(prepared_folder(data, config))
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, source=source))
    command = f"fedrec.simulate(engine={engine!r})  # or: fedrec run {shlex.quote('config.toml')}"
    with shown_rounds(on_round, "rounds", config.federation.rounds) as shown:
        folder = run(
            config,
            engine=engine,
            workers=workers,
            address=address,
            command=command,
            on_round=shown,
        )
    return read_run(folder)


def resume(
    run: str | Path,
    *,
    rounds: int | None = None,
    engine: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    accept_code_change: bool = False,
    trust: bool = False,
    on_round: Callable[[dict[str, Any]], None] | None = None,
) -> Run:
    """Go on with a run from its last checkpoint and return what it left.

    Args:
        run: Folder of a run, or its name under ``$FEDREC_HOME/runs``.
        rounds: Number of rounds in all to go on to; a complete run goes on, too. What differs from
            a run of that many rounds stands under ``resumed`` in its run.json.
        engine: Engine to resume with; the last one of the run when None.
        workers: Number of workers of engine "ray"; all usable cores when None.
        address: Address of a Ray cluster for engine "ray", "auto" or host:port; None starts one.
        accept_code_change: Resume under other code or versions, and record it.
        trust: Import the modules that the run's config names.
        on_round: Callback, called with each line of rounds.jsonl that is new.

    Raises:
        FedrecError: It is no run, another one, or cannot go on to that many rounds.
    """
    folder = run_folder(str(run))
    total = rounds or config_of(folder, trust=trust).federation.rounds
    with shown_rounds(on_round, "rounds", total) as shown:
        resume_run(
            folder,
            rounds=rounds,
            engine=engine,
            workers=workers,
            address=address,
            accept_code_change=accept_code_change,
            trust=trust,
            command=f"fedrec.resume({str(run)!r})",
            on_round=shown,
        )
    return read_run(folder)


def _unwritten(settings: object, values: Mapping[str, Value]) -> set[str]:
    """Keys of ``values`` that the user did not write: of a preset, or the defaults of a Config."""
    if isinstance(settings, str):
        return set(values) if settings in preset_names() else set()
    if not isinstance(settings, Config):
        return set()
    usual = flatten(Config())
    same = {key for key, value in values.items() if value == usual[key]}
    return same - settings.written
