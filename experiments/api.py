"""``fedrec.simulate``: run a federation from Python."""

import dataclasses
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.engines.run import ignore, run
from experiments.presets import read_preset
from fedrec.config.config import Config, Value
from fedrec.config.keys import absolute_paths, flatten, read_config
from fedrec.errors import DataError
from fedrec.files.home import home
from fedrec.runs.record import Run, read_run

if TYPE_CHECKING:
    import pandas as pd

    from fedrec.data.interactions import Interactions
    from fedrec.data.store import Dataset

MEMORY_MIN_EVENTS = 0  # a Dataset was filtered when it was made: nothing more is dropped


def simulate(
    settings: str | Mapping[str, Value] | Config | None = None,
    changes: Mapping[str, Value] | None = None,
    *,
    data: "Dataset | pd.DataFrame | None" = None,
    engine: str = "inline",
    workers: int | None = None,
    address: str | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    on_round: Callable[[dict[str, Any]], None] | None = None,
) -> Run:
    """Run a federation and return what it left.

    Args:
        settings: a preset's name, a TOML file, dotted keys or a Config; the defaults when None.
        changes: dotted keys that win over ``settings``: ``{"federation.rounds": 5}``.
        data: events or a prepared dataset; wins over the key ``data.source``. The columns of a
            DataFrame are named by the keys ``data.user-column`` and so on.
        engine: "inline" (this process), "ray" (workers on Ray) or "flower" (Flower's simulation).
        workers: of engine "ray"; all usable cores when None.
        address: of a Ray cluster for engine "ray", "auto" or host:port; None starts one.
        out: the run folder; by default one is named under ``$FEDREC_HOME/runs``.
        seed: wins over the key ``seed``.
        overwrite: replace a run that is already in ``out``.
        on_round: called with each line of rounds.jsonl.

    Raises:
        FedrecError: the settings or the data cannot be used, or the run failed.
    """
    given = read_preset(settings) if isinstance(settings, str) else settings
    values = dict(flatten(given) if isinstance(given, Config) else given or {})
    values |= changes or {}
    values |= {} if seed is None else {"seed": seed}
    values |= {} if out is None else {"run.dir": str(out)}
    values |= {"run.overwrite": True} if overwrite else {}
    config = absolute_paths(read_config(values), Path.cwd())
    if data is not None:
        source = str(_stored(data, config))
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, source=source))
    command = f"fedrec.simulate(engine={engine!r})  # or: fedrec run {shlex.quote('config.toml')}"
    folder = run(
        config,
        engine=engine,
        workers=workers,
        address=address,
        command=command,
        on_round=on_round or ignore,
    )
    return read_run(folder)


def _stored(data: "Dataset | pd.DataFrame", config: Config) -> Path:
    """The prepared folder of data that came from Python."""
    import pandas as pd

    from fedrec.data.readers.tables import load_frame
    from fedrec.data.store import Dataset, store
    from fedrec.factory.data import columns_of

    if isinstance(data, pd.DataFrame):
        interactions, name = load_frame(data, columns_of(config.data)), "frame"
        least = config.data.min_item_events
    elif isinstance(data, Dataset):
        if data.folder is not None:
            return data.folder
        interactions, name, least = _interactions(data), data.name, MEMORY_MIN_EVENTS
    else:
        raise DataError(f"data must be a Dataset or a DataFrame, got {type(data).__name__}")
    return store(
        interactions,
        name=name,
        home=home(),
        min_item_events=least,
        min_user_events=config.data.min_user_events,
    )


def _interactions(dataset: "Dataset") -> "Interactions":
    """A dataset's events as a loader would give them: items are 0-based there."""
    import numpy as np

    from fedrec.data.interactions import Interactions

    sequences = dataset.sequences
    return Interactions(
        user_ids=dataset.user_ids,
        item_ids=dataset.catalog.item_ids,
        users=np.repeat(np.arange(sequences.num_users, dtype=np.int32), sequences.lengths()),
        items=np.asarray(sequences.items) - 1,
        times=None if sequences.times is None else np.asarray(sequences.times),
        ratings=None,
        catalog=dataset.catalog,
        attributes=dataset.attributes,
        skipped={},
    )
