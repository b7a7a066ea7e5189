"""A client with a bug, and a server of other code: seen, said and on record."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clients.handlers
from fedrec import protocol
from fedrec.errors import MessageError, ParticipationError
from server.messages.exchange import SampledNodes

ROOT = Path(__file__).parent.parent.parent
BROKEN = 1  # of six partitions


@pytest.fixture
def broken(monkeypatch):
    """``broken("train_partition", partitions)``: a task of those clients raises."""

    def spoil(name, partitions=(BROKEN,)):
        real = getattr(clients.handlers, name)

        def task(config, holding, *args, **keywords):
            number = int(args[0].folder.name.removeprefix("partition-"))
            if number in partitions:
                raise ZeroDivisionError(f"a bug of client {number}")
            return real(config, holding, *args, **keywords)

        monkeypatch.setattr(clients.handlers, name, task)

    return spoil


def test_a_client_that_always_raises_is_excluded_and_its_traceback_kept(
    run_inline, small_config, broken, left_by, about
):
    broken("train_partition")
    folder = run_inline(small_config({"partition.count": 6}))
    ended = about(folder)
    assert (ended["status"], ended["exit_code"]) == ("degraded", 0)
    for kept in (ended["client_traceback"], (folder / "log.txt").read_text()):
        assert "Traceback (most recent call last)" in kept
        assert "ZeroDivisionError: a bug of client 1" in kept
        assert "in task\n" in kept  # the function that raised
    for line in left_by(folder)[1][1:]:
        assert line["aggregated"] == [0, 2, 3, 4, 5]
        [one] = line["excluded"]
        assert (one["partition"], one["while"]) == (BROKEN, "train")
        assert "ZeroDivisionError: a bug of client 1" in one["reason"]
        assert "Traceback" not in one["reason"]


def test_a_client_that_cannot_evaluate_is_excluded_from_the_evaluation(
    run_inline, small_config, broken, left_by, about
):
    broken("evaluate")
    folder = run_inline(small_config({"partition.count": 6}))
    ended = about(folder)
    assert ended["status"] == "degraded"
    assert {one["partition"] for one in ended["excluded"]["final test"]} == {BROKEN}
    for line in left_by(folder)[1][1:]:
        assert line["aggregated"] == [0, 1, 2, 3, 4, 5]  # its training counts
        assert [(one["partition"], one["while"]) for one in line["excluded"]] == [
            (BROKEN, "evaluate")
        ]


def test_when_too_many_raise_the_run_ends_with_3_and_the_traceback(
    run_inline, small_config, broken, about, tmp_path
):
    broken("train_partition", partitions=(0, 1, 2, 3))
    with pytest.raises(ParticipationError, match=r"round 1: 2 of 6 .* a bug of client 0"):
        run_inline(small_config({"partition.count": 6}), tmp_path / "run")
    ended = about(tmp_path / "run")
    assert (ended["status"], ended["exit_code"]) == ("failed", 3)
    assert "ZeroDivisionError: a bug of client 0" in ended["client_traceback"]


def fingerprint_of(folder: Path) -> str:
    """What the code in a folder says of itself."""
    words = "from fedrec import protocol; print(protocol.code_fingerprint())"
    done = subprocess.run(
        [sys.executable, "-c", words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class OtherServer(SampledNodes):
    """Carries the messages of a server whose code has another fingerprint."""

    def __init__(self, grid, fingerprint):
        super().__init__(grid, grid.get_node_ids())
        self.fingerprint = fingerprint

    def push_messages(self, messages):
        asked = list(messages)
        for message in asked:
            message.content.config_records[protocol.CONFIG][protocol.CODE] = self.fingerprint
        return self._grid.push_messages(asked)


def test_clients_refuse_a_server_of_other_code(run_inline, small_config, about, tmp_path):
    for package in protocol.PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / "checkout" / package)
    assert fingerprint_of(tmp_path / "checkout") == protocol.code_fingerprint()
    with (tmp_path / "checkout" / "server" / "rounds.py").open("a") as file:
        file.write("# a line more\n")
    other = fingerprint_of(tmp_path / "checkout")
    with pytest.raises(MessageError, match="the server runs other code than this client") as end:
        run_inline(small_config(), tmp_path / "run", wrap=lambda grid: OtherServer(grid, other))
    assert end.value.exit_code == 1
    ended = about(tmp_path / "run")
    assert (ended["status"], ended["exit_code"]) == ("failed", 1)
    assert "runs other code" in ended["reason"]
