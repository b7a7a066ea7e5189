"""Ctrl-C on Flower's engine: a file asks the server, whom no signal reaches, and no other."""

import pytest

from experiments.engines import flower
from experiments.reproducibility.verify import compare
from fedrec.config.keys import read_config
from fedrec.runs.write import write_json
from server.lifecycle.stop_file import STOP_FILE, request_stop


@pytest.mark.parametrize("code", [130, 143])
def test_a_run_that_is_asked_to_stop_ends_with_that_code_and_goes_on_to_the_same_bytes(
    run_inline, run_once, not_easy, tmp_path, about, code
):
    config, folder = not_easy({"run.checkpoint-every": 100}), tmp_path / "run"

    def ask(line):
        if line["round"] == 2:
            request_stop(folder, code)

    with pytest.raises(KeyboardInterrupt) as stop:
        run_inline(config, folder, on_round=ask)
    assert stop.value.exit_code == code
    ended = about(folder)
    assert (ended["status"], ended["exit_code"]) == ("interrupted", code)
    assert not (folder / STOP_FILE).exists()
    run_inline(read_config({"run.resume": True}, config), folder)
    assert [one["after"] for one in about(folder)["resumed"]] == [2]
    assert compare(run_once(config), folder) == []


@pytest.mark.slow
def test_a_stop_request_that_an_earlier_server_never_saw_does_not_stop_the_next(
    run_inline, not_easy, tmp_path, strike, ctrl_c, about
):
    import clients.handlers

    config, folder = not_easy({"run.checkpoint-every": 1}), tmp_path / "run"
    strike(clients.handlers, "train_partition", 8, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    request_stop(folder, 130)
    try:
        run_inline(read_config({"run.resume": True}, config), folder)
    except KeyboardInterrupt:  # which would end the tests, not this one alone
        pytest.fail("the next server obeyed a stop request that was not meant for it")
    assert about(folder)["status"] == "done"
    assert not (folder / STOP_FILE).exists()


def test_a_stop_request_that_the_server_does_not_see_in_time_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.setattr(flower, "SAVE_SECONDS", 0.1)
    monkeypatch.setattr(flower, "POLL_SECONDS", 0.01)
    write_json(tmp_path / "run.json", {"status": "running"})
    asked = []
    real = flower.request_stop

    def ask(folder, code):
        real(folder, code)
        asked.append((folder / STOP_FILE).exists())

    monkeypatch.setattr(flower, "request_stop", ask)
    flower._let_it_save(tmp_path, None, 130)
    assert asked == [True]
    assert not (tmp_path / STOP_FILE).exists()
