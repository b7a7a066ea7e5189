"""Small shared data: 40 items, 12 users, a 2-layer model, a federation of 60 synthetic users."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from fedrec.config.config import Config
from fedrec.config.keys import flatten, read_config
from fedrec.config.sections.model import Model
from fedrec.data.catalog import Catalog
from fedrec.data.sequences import Sequences
from fedrec.data.splits import training_part

# No test depends on how fast the machine is.
settings.register_profile("fedrec", deadline=None)
settings.load_profile("fedrec")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts a job in the background with Ctrl-C ignored, and so do all its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)

NUM_ITEMS = 40
SMALL = {
    "data.source": "synthetic:users=60,items=60",
    "semantics.encoder": "hashed",
    "semantics.width": 6,  # another width than the model's
    "model.width": 8,
    "model.hidden": 16,
    "model.max-length": 12,
    "loss.negatives": 20,
    "local.batch-size": 8,
    "partition.count": 3,
    "federation.rounds": 2,
    "federation.share-counts-min-users": 1,  # most tests have few users a partition
    "evaluation.resamples": 20,
    "run.name": "small",
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """A command that is interrupted ignores further signals: the next test is another process."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.fixture(autouse=True)
def fedrec_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty FEDREC_HOME of the test's own."""
    home = tmp_path / "fedrec-home"
    monkeypatch.setenv("FEDREC_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def catalogue() -> Catalog:
    """40 items of four genres; every tenth year is unknown."""
    genres = ("Crime", "Comedy", "Drama", "War")
    return Catalog(
        item_ids=[f"i{item}" for item in range(1, NUM_ITEMS + 1)],
        titles=[f"Title {item}" for item in range(1, NUM_ITEMS + 1)],
        genres=[(genres[item % 4],) for item in range(NUM_ITEMS)],
        years=[None if item % 10 == 0 else 1960 + item for item in range(NUM_ITEMS)],
        descriptions=[""] * NUM_ITEMS,
    )


@pytest.fixture(scope="session")
def twelve_users() -> Sequences:
    """Whole sequences of 12 users, 3 to 14 events long; the first has one training event."""
    rng = np.random.default_rng(12)
    rows = [rng.permutation(NUM_ITEMS)[:length] + 1 for length in range(3, 15)]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(np.concatenate(rows).astype(np.int32), offsets)


@pytest.fixture(scope="session")
def twelve_training(twelve_users: Sequences) -> Sequences:
    """Training parts of the 12 users, 1 to 12 events long."""
    return training_part(twelve_users)


@pytest.fixture(scope="session")
def make_tiny(catalogue: Catalog) -> Callable[..., Any]:
    """Model of width 8 and two layers over the 40 items; keywords are settings of ``Model``."""

    def make(
        seed: int = 0,
        frequency: np.ndarray | None = None,
        semantic: np.ndarray | None = None,
        **settings: Any,
    ) -> Any:
        from fedrec.factory.build_model import build_model

        if semantic is None:
            semantic = np.random.default_rng(5).normal(size=(NUM_ITEMS + 1, 6)).astype(np.float32)
            semantic[0] = 0
        small = {"width": 8, "blocks": 2, "heads": 2, "hidden": 16, "max_length": 10}
        return build_model(
            Model(**(small | settings)),
            num_items=NUM_ITEMS,
            semantic=semantic,
            content=catalogue.content_features(),
            frequency=np.arange(NUM_ITEMS + 1) if frequency is None else frequency,
            seed=seed,
        )

    return make


@pytest.fixture(scope="session")
def small_config() -> Callable[..., Config]:
    """Config of the small federation; changes are dotted keys."""

    def make(changes: dict[str, Any] | None = None) -> Config:
        return read_config(SMALL | (changes or {}))

    return make


@pytest.fixture(scope="session")
def small_prepared(
    tmp_path_factory: pytest.TempPathFactory, small_config: Callable[..., Config]
) -> Path:
    """A FEDREC_HOME that holds the small federation's data and meanings, and nothing else."""
    from fedrec.factory.data import open_prepared
    from fedrec.factory.table import open_table

    home = tmp_path_factory.mktemp("small-prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDREC_HOME", str(home))
        open_table(small_config(), open_prepared(small_config()).dataset.catalog)
    return home


@pytest.fixture
def small_home(fedrec_home: Path, small_prepared: Path) -> Path:
    """The test's own FEDREC_HOME with the small federation's data in it."""
    return Path(shutil.copytree(small_prepared, fedrec_home))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run of this process, new or resumed, writes its figures and its page.

    Drawing takes ten times as long as training.
    """
    for module in ("server.run", "server.checkpoints.resume"):
        monkeypatch.setattr(f"{module}.write_report", lambda path: None)


@pytest.fixture
def only_figures(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``only_figures("gates")``: a report has the figures of these functions alone.

    Each of them takes a third of a second.
    """
    from fedrec.report.figures import draw

    def choose(*names: str) -> None:
        kept = tuple(row for row in draw.FIGURES if row[1].__name__ in names)
        assert len(kept) == len(names)
        monkeypatch.setattr(draw, "FIGURES", kept)

    return choose


@pytest.fixture
def run_inline(small_home: Path, undrawn: None) -> Callable[..., Path]:
    """``run_inline(config)`` runs a whole federation in this process, without its figures.

    Keywords: ``folder`` for the run, ``client`` instead of the ClientApp, ``wrap`` for the Grid.
    """
    import server.run
    from clients.app import app
    from server.engines.inline import InlineGrid

    def run(
        config: Config,
        folder: Path | None = None,
        client: Any = app,
        wrap: Callable[[Any], Any] = lambda grid: grid,
        **keywords: Any,
    ) -> Path:
        if folder is not None:
            config = read_config({"run.dir": str(folder)}, config)
        grid = wrap(InlineGrid(client, config.partition.count, flatten(config)))
        return server.run.run_server(grid, config, engine="inline", command="test", **keywords)

    return run


@pytest.fixture(scope="session")
def runs_by_config(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """Where ``run_once`` keeps its runs, and those it has made."""
    return tmp_path_factory.mktemp("runs"), {}


@pytest.fixture
def run_once(
    run_inline: Callable[..., Path], runs_by_config: tuple[Path, dict[str, Path]]
) -> Callable[[Config], Path]:
    """``run_once(config)``: a whole run of it, made once for all tests, to compare with.

    Call it where nothing is about to fail, and change nothing in the folder: ``run_copy`` does.
    """
    place, made = runs_by_config

    def run(config: Config) -> Path:
        key = repr(flatten(config))
        if key not in made:
            made[key] = run_inline(config, place / str(len(made)))
        return made[key]

    return run


@pytest.fixture
def run_copy(run_once: Callable[[Config], Path], tmp_path: Path) -> Callable[[Config], Path]:
    """``run_copy(config)``: the test's own copy of the folder of ``run_once``."""
    return lambda config: Path(shutil.copytree(run_once(config), tmp_path / "run-copy"))
