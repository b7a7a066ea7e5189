"""One finished run of the small federation, for all tests that recommend with it."""

import shutil

import pytest

import fedrec


@pytest.fixture(scope="session")
def finished(tmp_path_factory, small_prepared, small_config):
    """A FEDREC_HOME with the run "small" in it; nobody writes to it."""
    import server.run
    from clients.app import app
    from fedrec.config.keys import flatten
    from server.engines.inline import InlineGrid

    home = tmp_path_factory.mktemp("finished") / "home"
    shutil.copytree(small_prepared, home)
    config = small_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDREC_HOME", str(home))
        patch.setattr(server.run, "write_report", lambda path: None)
        grid = InlineGrid(app, config.partition.count, flatten(config))
        server.run.run_server(grid, config, engine="inline", command="test")
    return home


@pytest.fixture
def small_run(finished, monkeypatch):
    """The run's folder, under the FEDREC_HOME of the test."""
    monkeypatch.setenv("FEDREC_HOME", str(finished))
    return finished / "runs" / "small"


@pytest.fixture
def ready(small_run):
    """What that run has learned."""
    return fedrec.open_recommender(small_run)
