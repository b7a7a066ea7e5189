"""What ends a ServerApp under Flower: one line, and the service that is in the way."""

import logging
import os

import pytest

import server.app
from fedrec.config.keys import flatten, read_config
from fedrec.errors import DataError, MessageError
from server.failure_line import tell_failures_in_one_line
from server.lifecycle.flower_service import service_of_simulation
from tests.server.test_app import context_of


@pytest.fixture
def logged(caplog, monkeypatch):
    """``logged(error)``: what Flower's logger shows of an exception that ended the ServerApp."""
    monkeypatch.delenv("FEDREC_DEBUG", raising=False)
    logger = logging.getLogger("flwr")
    logger.addHandler(caplog.handler)
    tell_failures_in_one_line()
    tell_failures_in_one_line()

    def log(error):
        caplog.clear()
        try:
            raise error
        except Exception as caught:
            logger.error("%s raised an exception", "ServerApp", exc_info=caught)
        return caplog.handler.format(caplog.records[0])

    yield log
    logger.removeHandler(caplog.handler)


def test_an_error_of_ours_is_one_line_under_flower(logged):
    shown = logged(DataError("the catalogue of the clients' data (ab) is not under /x; copy it"))
    assert shown.endswith(
        "DataError: the catalogue of the clients' data (ab) is not under /x; copy it"
    )
    assert "\n" not in shown
    assert "Traceback" not in shown


def test_a_bug_keeps_its_traceback_and_so_does_every_error_on_demand(logged, monkeypatch):
    assert "Traceback" in logged(ValueError("a bug"))
    monkeypatch.setenv("FEDREC_DEBUG", "1")
    assert "Traceback" in logged(DataError("a file"))


def test_a_deployment_without_the_catalogue_ends_with_that_line(
    small_config, tmp_path, monkeypatch
):
    import clients.app
    import server.setup
    from server.engines.inline import InlineGrid

    config = small_config({"run.dir": str(tmp_path / "run"), "partition.count": 2})
    monkeypatch.setattr(server.setup, "find_prepared", lambda data_hash, home: None)
    grid = InlineGrid(clients.app.app, 2, flatten(config))
    with pytest.raises(DataError, match=r"copy manifest\.json and catalog\.json of their prepared"):
        server.app.app(grid, context_of(flatten(config)))
    assert any("FailureLine" in repr(one) for one in logging.getLogger("flwr").filters)


@pytest.fixture
def processes(tmp_path):
    """``processes(*programs)``: a /proc in which each program is the parent of the one before."""

    def make(*programs):
        number = os.getpid()
        for parent, program in enumerate(programs, start=70_001):
            entry = tmp_path / str(number)
            entry.mkdir()
            (entry / "cmdline").write_bytes(b"python\0/venv/bin/" + program.encode() + b"\0--x\0")
            (entry / "stat").write_text(f"{number} (a (b) c) S {parent} 1 1")
            (entry / "cwd").symlink_to("/home/me/other checkout")
            number = parent
        return tmp_path

    return make


def test_the_service_of_a_simulation_is_named_with_its_folder(processes):
    folder = processes("ray", "flwr-simulation", "flower-superlink")
    assert service_of_simulation(folder) == (
        "flower-superlink, process 70002, was started in '/home/me/other checkout': `kill 70002`"
    )


@pytest.mark.parametrize("program", ["flwr-serverapp", "pytest"])
def test_the_superlink_of_a_deployment_is_not_named(processes, program):
    assert service_of_simulation(processes(program, "flower-superlink")) == ""


def test_without_proc_nothing_is_named(tmp_path):
    assert service_of_simulation(tmp_path / "none") == ""


@pytest.mark.parametrize(
    "service", ["", "flower-superlink, process 7, was started in /x: `kill 7`"]
)
def test_clients_with_other_code_name_the_service_that_runs_them(monkeypatch, service, tmp_path):
    def other_code(*given, **keywords):
        raise MessageError("the server runs other code than this client")

    monkeypatch.setattr(server.app, "run_server", other_code)
    monkeypatch.setattr(server.app, "service_of_simulation", lambda: service)
    values = flatten(read_config({"run.dir": str(tmp_path / "run")}))
    with pytest.raises(MessageError) as ended:
        server.app.app(None, context_of(values))
    told = "the server runs other code than this client"
    assert str(ended.value) == (f"{told} ({service})" if service else told)
