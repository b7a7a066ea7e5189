"""Runs that are refused, fail or are degraded, and what their folders say."""

import pytest

import server.run
from clients.app import app
from fedrec.errors import ConfigError, ParticipationError
from server.engines.inline import InlineGrid
from tests.server.lifecycle.test_run_folder import lines_of, read


def test_a_run_folder_that_is_not_empty_is_refused(run_inline, small_config, tmp_path):
    config = small_config({"federation.rounds": 1})
    folder = run_inline(config, tmp_path / "run")
    before = (folder / "metrics.json").read_bytes()
    with pytest.raises(ConfigError, match=r"run folder .* is not empty; .*--out.*--overwrite"):
        run_inline(config, tmp_path / "run")
    assert (folder / "metrics.json").read_bytes() == before
    assert read(folder, "run.json")["status"] == "done"
    again = small_config({"federation.rounds": 1, "run.overwrite": True, "seed": 3})
    assert read(run_inline(again, tmp_path / "run"), "run.json")["seed"] == 3


def test_a_folder_of_other_things_is_not_overwritten(run_inline, small_config, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter-1.txt").write_text("years of work")
    config = small_config({"run.overwrite": True})
    with pytest.raises(ConfigError, match=r"no run folder \(it has no run.json\)"):
        run_inline(config, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter-1.txt").read_text() == "years of work"


def test_a_relative_run_folder_is_refused(run_inline, small_config):
    with pytest.raises(ConfigError, match=r"run.dir must be an absolute path, got 'here'"):
        run_inline(small_config({"run.dir": "here"}))


def test_a_run_that_fails_says_so_in_one_line(run_inline, small_config, small_home):
    with pytest.raises(ConfigError):
        run_inline(small_config({"partition.count": 61}))
    about = read(small_home / "runs" / "small", "run.json")
    assert (about["status"], about["exit_code"]) == ("failed", 2)
    assert about["reason"].startswith("partition.count is 61, but 60 users")
    # Nothing worth keeping is in its way: the same name may be tried again.
    assert read(run_inline(small_config()), "run.json")["status"] == "done"


def test_wrong_number_of_nodes_exits_with_2(small_home, small_config):
    from fedrec.config.keys import flatten

    config = small_config()
    with pytest.raises(ConfigError, match=r"4 SuperNodes but partition.count is 3"):
        server.run.run_server(
            InlineGrid(app, 4, flatten(config)), config, engine="inline", command="test"
        )
    assert read(small_home / "runs" / "small", "run.json")["exit_code"] == 2


def test_too_few_clients_end_the_run_with_3(run_inline, small_config, small_home):
    def client(message, context):
        if message.metadata.message_type == "train":
            context.run_config["partition.count"] = 99  # refuses: other number of nodes
        return app(message, context)

    with pytest.raises(ParticipationError, match="0 of 3 clients sent a usable reply"):
        run_inline(small_config(), client=client)
    about = read(small_home / "runs" / "small", "run.json")
    assert (about["status"], about["exit_code"]) == ("failed", 3)


def test_a_run_with_replies_excluded_is_degraded(run_inline, small_config):
    def client(message, context):
        reply = app(message, context)
        metrics = reply.content.metric_records.get("metrics", {})
        if context.node_config["partition-id"] == 2 and "train-loss" in metrics:
            metrics["train-loss"] = float("nan")
        return reply

    folder = run_inline(small_config(), client=client)
    assert read(folder, "run.json")["status"] == "degraded"
    assert [line["excluded"] for line in lines_of(folder)[1:]] == [
        [
            {
                "partition": 2,
                "reason": "its training loss is nan, expected a number from 0 to 1e+06",
                "while": "train",
            }
        ]
    ] * 2
    assert "excluded partition 2: its training loss is nan" in (folder / "log.txt").read_text()


def test_the_log_names_no_private_place(run_inline, small_config, small_home):
    text = (run_inline(small_config()) / "log.txt").read_text()
    assert str(small_home) not in text
    assert "prepared" not in text
    assert "partition-0" not in text
