"""Refused settings, in a file or on the command line; run names, folders and secrets."""

import json
import shutil
import signal
import sys
from types import SimpleNamespace

import pytest
from flwr.serverapp.strategy import FedAvg

import server.run
from fedrec.runs.write import write_about


@pytest.fixture
def toml(fedrec, tmp_path):
    """``fedrec run`` of a TOML file with this text."""

    def call(text, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return fedrec("run", path, "--engine", "inline")

    return call


def test_an_unknown_key_names_the_nearest(toml, run, refused, csv, events):
    refused(toml("[local]\nepoch = 3\n"), 2, "'local.epoch'", "did you mean 'local.epochs'?")
    refused(run(csv(events), "local.epoch=3"), 2, "'local.epoch'", "'local.epochs'")


def test_an_unknown_section_says_where_the_keys_are(toml, refused):
    refused(toml("[zzz]\nqqq = 3\n"), 2, "'zzz.qqq'", "`fedrec keys`")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('federation.rounds = "10"', ("federation.rounds must be a whole number", "'10' (str)")),
        ("federation.rounds = true", ("federation.rounds must be a whole number", "True (bool)")),
        ("federation.rounds = 2.5", ("federation.rounds must be a whole number", "2.5 (float)")),
        ("local.learning-rate = true", ("local.learning-rate must be a number", "True")),
        ("semantics.whiten = 1", ("semantics.whiten must be true or false", "1 (int)")),
        ("model.name = 7", ("model.name must be a string", "7 (int)")),
        ("evaluation.at = [5, 10]", ("evaluation.at must be a string", "[5, 10] (list)")),
        ("data.source = 2020-01-01", ("data.source must be a string", "(date)")),
    ],
)
def test_a_wrong_type_says_what_is_meant(toml, refused, text, words):
    refused(toml(text), 2, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("local.learning-rate = nan", "local.learning-rate must be a finite number above 0"),
        ("local.learning-rate = inf", "local.learning-rate must be a finite number above 0"),
        ("local.learning-rate = -0.1", "local.learning-rate must be a finite number above 0"),
        ("local.weight-decay = -1e-3", "local.weight-decay must be a finite number of 0 or more"),
        ("federation.round-timeout = inf", "federation.round-timeout must be a finite number"),
        ("federation.fraction = 1.5", "federation.fraction must be above 0 and at most 1"),
        ("federation.fraction = 0", "federation.fraction must be above 0 and at most 1"),
        ("federation.fraction = nan", "federation.fraction must be above 0 and at most 1"),
        ("federation.rounds = 0", "federation.rounds must be a whole number of 1 or more"),
        ("local.batch-size = -8", "local.batch-size must be a whole number of 1 or more"),
        ("model.dropout = 1.0", "model.dropout must be at least 0 and below 1"),
        ("seed = -1", "seed must be a whole number from 0"),
        ('device = "tpu"', "device must be one of auto, cpu, cuda"),
    ],
)
def test_a_value_out_of_range_names_key_and_range(toml, refused, text, words):
    refused(toml(text), 2, words, "got")


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["model.heads=3"], ("model.heads must divide model.width", "3 and 8")),
        (["model.name=sasrec", "model.private=gate-bias"], ("model.private needs a gate",)),
        (["evaluation.protocol=ncf-99"], ("ncf-99", "evaluation.ncf-negatives")),
        (
            ["evaluation.protocol=ncf-99", "evaluation.ncf-negatives=none.txt"],
            ("evaluation.protocol = 'ncf-99'", "MovieLens-1M", "data.source"),
        ),
        (["evaluation.at=5"], ("evaluation.at must hold 10",)),
        (
            ["strategy.name=krum", "strategy.options=num-malicious-nodes = 1"],
            ("num-malicious-nodes = 1", "5 or more clients a round", "give 3"),
        ),
        (
            ["strategy.name=krum", "strategy.options=num-malicious-nodes = 1", "partition.count=6",
             "federation.fraction=0.5"],
            ("5 or more clients a round", "federation.fraction give 3"),
        ),
        (
            ["strategy.name=bulyan", "strategy.options=num-malicious-nodes = 1",
             "partition.count=6"],
            ("7 or more clients a round", "give 6"),
        ),
        (["strategy.options=proximal-mu = 1"], ("'proximal-mu', which fedavg does not take",)),
    ],
)  # fmt: skip
def test_contradictions_are_refused(run, refused, csv, events, sets, words):
    refused(run(csv(events), *sets), 2, *words)


def test_a_missing_config_file_is_named(fedrec, refused, tmp_path):
    missing = tmp_path / "none.toml"
    refused(fedrec("run", missing), 2, str(missing), "No such file", "TOML file or a preset")


def test_missing_data_is_named(run, describe, refused, tmp_path):
    for command in (run, describe):
        ended = command(tmp_path / "none.csv")
        refused(ended, 4, f"data.source '{tmp_path / 'none.csv'}' does not exist")
    refused(describe("x" * 300), 4, "data.source 'xxx", "does not exist")


def test_a_missing_table_of_items_is_named(describe, refused, csv, events, tmp_path):
    ended = describe(csv(events), f"data.items={tmp_path / 'none.csv'}")
    refused(ended, 4, f"{tmp_path / 'none.csv'} does not exist", "data.items")


@pytest.mark.parametrize(
    "setting", ["data.title-column=name", "data.items=items.csv", "data.text-columns=brand,plot"]
)
def test_columns_of_a_source_that_has_none_to_choose_are_refused(
    describe, refused, movielens, setting
):
    key, value = setting.split("=")
    ended = describe(movielens.folder(), setting)
    refused(ended, 2, f"{key} = '{value}'", "ml-1m, which says itself what it holds; leave it out")


def test_columns_are_taken_where_one_of_the_sources_is_a_table(describe, csv, events, movielens):
    joined = f"{movielens.folder()} + {csv(events)}"
    assert describe(joined, "data.title-column=title").code == 0


def test_a_run_folder_that_cannot_be_made_is_refused(run, refused, csv, events, tmp_path):
    (tmp_path / "file").write_text("")
    ended = run(csv(events), f"run.dir={tmp_path / 'file' / 'run'}")
    refused(ended, 2, f"run folder {tmp_path / 'file' / 'run'}", "--out")


def test_a_home_that_cannot_be_written_is_a_resource(
    describe, refused, csv, events, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "file"))
    ended = describe(csv(events))
    refused(ended, 5, f"cannot write prepared data to {tmp_path / 'file'}", "FEDREC_HOME")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine.yaml", "a run config is a TOML file"),
        ("mine.yml", "a run config is a TOML file"),
        ("mine.toml", "is no TOML"),
    ],
)
def test_yaml_tags_are_never_obeyed(toml, refused, tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    refused(toml("!!python/object/apply:os.system ['touch owned']\n", name), 2, name, words)
    assert not (tmp_path / "owned").exists()


BAD_NAMES = {
    "../../x": "../../x",
    "/etc/x": "/etc/x",
    "a\\u0000b": "a\\x00b",
    "x" * 300: "x" * 40 + "...",
    "CON": "CON",
    "con.txt": "con.txt",
    "..": "..",
    "a b": "a b",
    "Ünï": "Ünï",
}


@pytest.mark.parametrize(("name", "shown"), BAD_NAMES.items(), ids=range(len(BAD_NAMES)))
def test_a_run_name_that_is_no_plain_file_name_is_refused(toml, refused, fedrec_home, name, shown):
    refused(toml(f'run.name = "{name}"'), 2, "run.name must be 1 to 64", f"'{shown}'")
    assert not fedrec_home.exists()


def test_an_existing_run_is_kept_unless_overwriting(run, refused, csv, events, fedrec_home):
    assert run(csv(events)).code == 0
    path = fedrec_home / "runs" / "small"
    before = (path / "run.json").read_bytes()
    refused(run(csv(events), "seed=5"), 2, f"run folder {path} is not empty", "--overwrite")
    assert (path / "run.json").read_bytes() == before
    assert run(csv(events), "seed=5", "run.overwrite=true").code == 0
    assert json.loads((path / "run.json").read_text())["seed"] == 5


def test_a_folder_of_other_things_is_never_overwritten(run, refused, csv, events, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    sets = (f"run.dir={tmp_path / 'thesis'}", "run.overwrite=true")
    refused(run(csv(events), *sets), 2, "thesis", "no run.json")
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "precious"


SECRET = "hunter2hunter2"
CLOUDY = ("strategy.name=own_strategy:Cloudy", f'strategy.options=api-key = "{SECRET}"')


class Cloudy(FedAvg):
    """A strategy of the user's that takes a secret."""

    def __init__(self, api_key: str = "", **options: object) -> None:
        super().__init__(**options)
        self.api_key = api_key
        self.headers = {"authorization": [f"Bearer {api_key}", api_key]}
        self.rounds = 0

    def aggregate_train(self, server_round, replies):
        assert self.headers == {"authorization": [f"Bearer {SECRET}", SECRET]}
        assert self.api_key == SECRET
        self.rounds += 1
        assert self.rounds == server_round  # it comes back with a resume
        return super().aggregate_train(server_round, replies)


def without_secret(folder):
    """Check every file of a run but config.toml, without which no run could be repeated."""
    looked_at = set()
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "config.toml":
            assert b"hunter2" not in path.read_bytes(), path
            looked_at.add(path.name)
    assert "state.json" in looked_at


def test_secrets_are_copied_neither_into_the_report_nor_into_run_json(
    run, csv, events, fedrec_home, monkeypatch, only_figures
):
    only_figures("gates")
    monkeypatch.setitem(sys.modules, "own_strategy", SimpleNamespace(Cloudy=Cloudy))
    ended = run(csv(events), *CLOUDY, draw=True)
    assert ended.code == 0, ended.errors
    folder = fedrec_home / "runs" / "small"
    without_secret(folder)
    assert "(hidden)" in json.loads((folder / "run.json").read_text())["command"]


def test_a_run_goes_on_with_its_secret_and_not_with_another(
    run, fedrec, refused, csv, events, fedrec_home, monkeypatch, undrawn
):
    monkeypatch.setitem(sys.modules, "own_strategy", SimpleNamespace(Cloudy=Cloudy))
    with monkeypatch.context() as patch:
        patch.setattr(server.run, "finalize_run", lambda *_: signal.raise_signal(signal.SIGINT))
        ended = run(csv(events), *CLOUDY, "federation.rounds=2", "run.checkpoint-every=1")
    assert ended.code == 130, ended.errors
    folder = fedrec_home / "runs" / "small"
    without_secret(folder)
    # As if the kill had come before the last round.
    shutil.rmtree(folder / "checkpoints" / "round-00002")
    config = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(config.replace("hunter2hunter2", "hunter3hunter3"))
    ended = fedrec("resume", "--trust", folder)
    refused(ended, 2, "config: strategy.options was 'api-key = (hidden) #", "is 'api-key = (hidden")
    assert "hunter" not in ended.errors
    (folder / "config.toml").write_text(config)
    ended = fedrec("resume", "--trust", folder)
    assert ended.code == 0, ended.errors
    without_secret(folder)


def test_a_reason_that_quotes_a_secret_is_hidden_in_the_report(
    run, fedrec, csv, events, fedrec_home, only_figures
):
    only_figures()
    assert run(csv(events)).code == 0
    folder = fedrec_home / "runs" / "small"
    about = json.loads((folder / "run.json").read_text())
    about |= {"status": "failed", "reason": "401 for token=hunter2hunter2 at https://me:pw1@host"}
    write_about(folder / "run.json", about)
    assert fedrec("report", folder).code == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "401 for token=(hidden) at https://(hidden)@host" in page
    assert "hunter2" not in page
    assert "pw1" not in page
