"""How a run under Flower ended: what its folder says, else what Flower's log says."""

import json

import pytest

from experiments.engines import flower
from fedrec.errors import ConfigError, DataError, FedrecError, ParticipationError, ResourceError

COMPLETED, FAILED = "finished:completed", "finished:failed"


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """``ended(about, status, log)``: the folder that Flower's run left, or its error."""

    def end(about=None, status=FAILED, log="", *, is_older=False):
        monkeypatch.setattr(flower, "_log", lambda running, run_id: log)
        before = None
        if about is not None:
            (tmp_path / "run.json").write_text(json.dumps(about))
            before = flower._stamp(tmp_path / "run.json") if is_older else None
        return flower._outcome(None, 1, tmp_path, before, status)

    return end


def test_a_run_that_is_done_is_its_folder(ended, tmp_path):
    assert ended({"status": "done"}, COMPLETED) == tmp_path
    assert not (tmp_path / "engine.log").exists()


@pytest.mark.parametrize("kind", [ConfigError, ParticipationError, ResourceError])
def test_a_run_that_failed_raises_the_error_that_its_folder_names(ended, tmp_path, kind):
    about = {"status": "failed", "exit_code": kind.exit_code, "reason": "too few clients"}
    with pytest.raises(FedrecError, match=r"^too few clients$") as caught:
        ended(about, log="ValueError: something else")
    assert type(caught.value) is kind
    assert (tmp_path / "engine.log").read_text() == "ValueError: something else"


def test_a_run_that_failed_without_a_code_has_that_of_any_error(ended):
    with pytest.raises(FedrecError) as caught:
        ended({"status": "failed", "exit_code": None, "reason": "?"})
    assert caught.value.exit_code == FedrecError.exit_code


def test_a_run_that_never_began_raises_the_error_of_the_log(ended, tmp_path):
    with pytest.raises(ConfigError, match=r"^run\.dir must be an absolute path$"):
        ended(log="fedrec.errors.ConfigError: run.dir must be an absolute path\n")
    assert not (tmp_path / "engine.log").exists()  # there is no run folder of this run


def test_a_line_of_the_log_is_known_as_an_error_of_ours(ended):
    with pytest.raises(DataError, match=r"^the catalogue: is missing$") as caught:
        ended(log="INFO: x\n\x1b[91mERROR \x1b[0m:     DataError: the catalogue: is missing\n")
    assert caught.value.exit_code == DataError.exit_code


def test_an_error_that_is_not_ours_is_shown_with_the_status(ended):
    with pytest.raises(FedrecError, match=r"'finished:failed': OSError: gone$") as caught:
        ended(log="OSError: gone\n")
    assert caught.value.exit_code == FedrecError.exit_code


def test_a_server_that_died_leaves_a_run_that_says_so(ended, tmp_path):
    with pytest.raises(FedrecError, match="Killed"):
        ended({"status": "running"}, log="Killed\n")
    about = json.loads((tmp_path / "run.json").read_text())
    assert (about["status"], about["exit_code"]) == ("failed", FedrecError.exit_code)
    assert "Killed" in about["reason"]


def test_what_an_older_run_left_is_not_the_outcome_of_this_one(ended):
    with pytest.raises(FedrecError, match="nothing in its log"):
        ended({"status": "done"}, COMPLETED, is_older=True)
