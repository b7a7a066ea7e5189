"""A worker of Flower's simulation that dies: it cannot be replaced, so the run ends and says so."""

import os
import signal

import pytest
from flwr.app import Error, Message, MessageType
from flwr.common.constant import ErrorCode

from clients.app import app
from experiments.chaos.running import Running
from experiments.chaos.tries import num_lines, run_words
from experiments.engines.flower import _keep_log
from fedrec import protocol
from fedrec.config.keys import read_config
from fedrec.errors import ParticipationError
from fedrec.runs.record import read_json

WORKER = b"ray::ClientAppActor"  # how the title of a worker of Flower's begins
# As Flower writes it, of what Ray says of an actor that was killed.
DIED = (
    "<class 'ray.exceptions.ActorDiedError'>:<'The actor died unexpectedly before finishing this "
    "task.\n\tclass_name: ClientAppActor\n\tactor_id: 7f6a4e1c\n\tpid: 4711\n\tnamespace: 0'>"
)
SAYS = r"a worker of Flower's simulation died \(ray\.exceptions\.ActorDiedError\).*engine 'ray'"


def dying(is_fatal):
    """A ClientApp whose worker dies of the messages of partition 1 that ``is_fatal`` holds of."""

    def client(message, context):
        sent = message.content.config_records[protocol.CONFIG]
        is_its = context.node_config["partition-id"] == 1
        if is_its and is_fatal(message.metadata.message_type, sent):
            return Message(Error(ErrorCode.UNKNOWN, DIED), reply_to=message)
        return app(message, context)

    return client


WHEN = {
    "the registration": lambda kind, sent: kind == MessageType.QUERY,
    "training": lambda kind, sent: kind == MessageType.TRAIN and sent[protocol.ROUND] == 2,
    "an evaluation": lambda kind, sent: kind == MessageType.EVALUATE,
}


@pytest.mark.parametrize("when", WHEN)
def test_a_worker_that_died_ends_the_run_with_3(run_inline, small_config, tmp_path, about, when):
    folder = tmp_path / "run"
    with pytest.raises(ParticipationError, match=SAYS) as end:
        run_inline(small_config(), folder, client=dying(WHEN[when]))
    assert end.value.exit_code == 3
    assert "\n" not in str(end.value)
    ended = about(folder)
    assert (ended["status"], ended["exit_code"]) == ("failed", 3)


def test_a_worker_that_died_while_private_files_are_looked_for_loses_no_checkpoint(
    run_inline, not_easy, tmp_path, strike, ctrl_c
):
    import clients.handlers

    changes = {"run.checkpoint-every": 1, "partition.count": 3, "federation.fraction": 1.0}
    config, folder = not_easy(changes), tmp_path / "run"
    strike(clients.handlers, "train_partition", 8, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    before = sorted(path.name for path in (folder / "checkpoints").iterdir())
    client = dying(lambda kind, sent: kind == MessageType.QUERY and protocol.CHECK in sent)
    with pytest.raises(ParticipationError, match=SAYS):
        run_inline(read_config({"run.resume": True}, config), folder, client=client)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == before


def test_why_a_run_ended_is_told_though_its_log_has_no_room(tmp_path):
    (tmp_path / "engine.log").mkdir()  # nothing can be put there
    _keep_log(tmp_path, "what Flower said\n")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".engine")] == []
    (tmp_path / "engine.log").rmdir()
    _keep_log(tmp_path, "what Flower said\n")
    assert (tmp_path / "engine.log").read_text() == "what Flower said\n"


@pytest.mark.slow
def test_a_worker_killed_in_a_later_round_ends_the_command_with_3_and_leaves_nothing(tmp_path):
    folder = tmp_path / "run"
    words = [*run_words("inline", folder, every=1), "--engine", "flower"]
    words += ["--set", "federation.rounds=100000"]
    with Running(words, tmp_path / "place", tmp_path / "home") as running:
        assert running.wait_until(lambda: num_lines(folder) > 2, every=0.02), running.last_words()
        workers = [pid for pid, title in running.titles().items() if title.startswith(WORKER)]
        os.kill(workers[0], signal.SIGKILL)
        assert running.end() == 3, running.last_words()
        assert running.left_over() == []
        said = running.last_words()
    assert said.startswith("error: a worker of Flower's simulation died (ray.exceptions.")
    assert "engine 'ray' replaces workers that die" in said
    assert f"fedrec resume {folder}" in said
    about = read_json(folder / "run.json")
    assert (about["status"], about["exit_code"]) == ("failed", 3)
    assert (folder / "engine.log").stat().st_size > 0
