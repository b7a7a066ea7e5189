"""The command: exit codes, one line for a mistake, nothing heavy before it is needed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from experiments.cli.main import app
from server.lifecycle.signals import Interrupted

ROOT = Path(__file__).parents[3]
SMALL = {
    "federation.rounds": "1",
    "semantics.encoder": "hashed",
    "semantics.width": "8",
    "model.width": "8",
    "model.hidden": "8",
    "model.max-length": "8",
    "loss.negatives": "8",
    "evaluation.resamples": "20",
    "data.source": "synthetic:users=40,items=60",
}


def sets(values: dict[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def fedrec(tmp_path, monkeypatch):
    """Call the command in this process: words in, result out."""
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FEDREC_DEBUG", raising=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def names_of_commands(group=None, before: str = "") -> list[str]:
    """Every command as it is typed, such as "data get"."""
    group = group or get_command(app)
    names = []
    for name, command in group.commands.items():
        inner = (
            names_of_commands(command, f"{before}{name} ") if hasattr(command, "commands") else []
        )
        names += inner or [before + name]
    return names


def refused(result, code: int, *words: str) -> None:
    """One line on stderr that starts with "error:", the exit code, and no traceback."""
    assert result.exit_code == code, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


def test_help_imports_nothing_heavy():
    code = (
        "import sys, experiments.cli.main as c\n"
        "sys.argv = ['fedrec', '--help']\n"
        "try: c.main()\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'sentence_transformers', 'flwr', 'ray', 'pandas', 'numpy', 'scipy',\n"
        "         'matplotlib', 'experiments.engines', 'fedrec.report'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)), code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "heavy: [] 0" in done.stdout
    for command in ("run", "report", "baseline", "recommend", "keys", "presets", "data"):
        assert command in done.stdout


def test_the_version_is_that_of_the_package(fedrec):
    import fedrec as package

    assert fedrec("--version").stdout == f"fedrec {package.__version__}\n"


@pytest.mark.parametrize("name", names_of_commands())
def test_every_command_has_a_summary_and_every_option_a_help(name):
    """The summary line fits a narrow terminal."""
    command = get_command(app)
    for word in name.split():
        command = command.commands[word]
    summary = command.help.split("\n")[0]
    assert summary.endswith(".")
    assert len(summary) <= 90
    options = [one for one in command.params if one.param_type_name == "option"]
    assert [one.name for one in options if not one.help or not one.help.endswith(".")] == []


def test_the_old_name_and_kinds_of_a_baseline_are_understood(fedrec):
    assert "reference" not in fedrec("--help").stdout
    old = (("reference", "central"), ("reference", "local"))
    for command, kind in (*old, ("baseline", "centralised")):
        refused(fedrec(command, kind, "no-such-preset"), 2, "unknown preset 'no-such-preset'")


def test_import_fedrec_is_light():
    code = (
        "import sys, fedrec\n"
        "fedrec.load, fedrec.Dataset\n"
        "print(sorted({'torch', 'sentence_transformers', 'flwr', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_keys_are_toml_that_can_be_run_again(fedrec):
    import tomllib

    from fedrec.config.config import Config
    from fedrec.config.keys import flat_tables, read_config

    result = fedrec("keys")
    assert read_config(flat_tables(tomllib.loads(result.stdout))) == Config()


def test_presets_are_listed(fedrec):
    assert "synthetic" in fedrec("presets").stdout


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What `fedrec run` printed, and its run folder with a whole report; drawing takes seconds."""
    place = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDREC_HOME", str(place / "home"))
        words = ["run", "--engine", "inline", "--partitions", "2", *sets(SMALL)]
        result = CliRunner().invoke(app, [*words, "--out", str(place / "run")])
    return result, place / "run"


def test_a_run_leaves_a_report_and_says_where(done):
    result, folder = done
    assert result.exit_code == 0, result.output
    assert result.stdout.strip().endswith(f"report: {folder / 'report.html'}")
    assert (folder / "report.html").exists()
    assert "NDCG@10" in result.stdout
    about = json.loads((folder / "run.json").read_text())
    assert (about["status"], about["engine"]) == ("done", "inline")
    assert len((folder / "rounds.jsonl").read_text().splitlines()) == 2


def test_a_quiet_run_prints_the_path_alone_and_its_config_runs_again(fedrec, tmp_path, monkeypatch):
    monkeypatch.setattr("server.run.write_report", lambda path: None)
    words = ["--engine", "inline", "--partitions", "2", "--quiet"]
    first = fedrec("run", *words, "--name", "one", *sets(SMALL))
    folder = tmp_path / "home" / "runs" / "one"
    assert first.stdout.strip() == str(folder / "report.html")
    again = fedrec("run", folder / "config.toml", *words, "--name", "two")
    assert again.exit_code == 0, again.output
    metrics = [(folder.parent / name / "metrics.json").read_text() for name in ("one", "two")]
    assert metrics[0] == metrics[1]


def test_report_is_made_again_from_the_folder_alone(fedrec, done, tmp_path):
    folder = Path(shutil.copytree(done[1], tmp_path / "home" / "runs" / "one"))
    page = folder / "report.html"
    page.unlink()
    assert fedrec("report", "one").exit_code == 0
    assert page.exists()


def test_describe_shows_the_partitions_and_their_divergence(fedrec):
    result = fedrec("data", "describe", "--set", "partition.count=3", *sets(SMALL)[-2:])
    assert result.exit_code == 0, result.output
    assert "3 partitions by uniform" in result.stdout
    assert "divergence of tastes" in result.stdout


def test_an_unknown_preset_lists_the_presets(fedrec):
    listed = "ml-100k, ml-1m, ml-1m-cold, ml-1m-private, ml-1m-users, synthetic"
    refused(fedrec("run", "ml1m"), 2, "did you mean 'ml-1m'?", listed)


def test_an_unknown_engine_is_refused(fedrec):
    refused(fedrec("run", "synthetic", "--engine", "spark"), 2, "flower, inline", "'spark'")


def test_an_unknown_dataset_to_get_is_refused(fedrec):
    refused(fedrec("data", "get", "ml-2m"), 2, "ml-2m", "ml-1m")


def test_an_unknown_reference_is_refused(fedrec):
    refused(fedrec("baseline", "magic", "synthetic"), 2, "centralised", "'magic'")


def test_a_folder_without_a_run_is_a_data_error(fedrec, tmp_path):
    refused(fedrec("report", tmp_path), 4, "run.json")


def test_unknown_key_exits_2(fedrec):
    refused(fedrec("run", "--set", "local.epoch=3"), 2, "'local.epoch'", "'local.epochs'")


@pytest.mark.parametrize("word", ['"10"', "True", "2.5"])
def test_wrong_type_exits_2(fedrec, word):
    refused(fedrec("run", "--set", f"federation.rounds={word}"), 2, "federation.rounds")


@pytest.mark.parametrize(
    "text",
    [
        "local.learning-rate=nan",
        "local.learning-rate=inf",
        "local.learning-rate=-1",
        "federation.fraction=1.1",
        "federation.rounds=0",
    ],
)
def test_out_of_range_exits_2(fedrec, text):
    refused(fedrec("run", "--set", text), 2, text.partition("=")[0])


def test_contradiction_exits_2(fedrec):
    refused(fedrec("run", "--set", "model.heads=3"), 2, "model.heads", "model.width")


def test_missing_config_file_exits_2(fedrec):
    refused(fedrec("run", "nowhere.toml"), 2, "nowhere.toml")


def test_missing_data_exits_4(fedrec):
    words = ("--engine", "inline", "--set", "data.source=/nowhere/x.zip")
    refused(fedrec("run", *words), 4, "/nowhere/x.zip")


def test_unwritable_run_folder_exits_2(fedrec, tmp_path):
    (tmp_path / "file").write_text("")
    refused(fedrec("run", "--out", tmp_path / "file" / "run"), 2, "--out")


def test_yaml_exits_2(fedrec, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("!!python/object/apply:os.system ['touch owned']")
    refused(fedrec("run", path), 2, "TOML")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "x" * 300, "CON"])
def test_run_name_exits_2_and_makes_nothing(fedrec, tmp_path, name):
    refused(fedrec("run", "--name", name), 2, "run.name")
    assert list(tmp_path.iterdir()) == []


def test_existing_run_exits_2_and_is_kept(fedrec, tmp_path):
    (tmp_path / "run.json").write_text("precious")
    refused(fedrec("run", "--out", tmp_path), 2, "--overwrite")
    assert (tmp_path / "run.json").read_text() == "precious"


def test_a_debug_run_shows_the_traceback(fedrec, monkeypatch):
    from fedrec.errors import ConfigError

    monkeypatch.setenv("FEDREC_DEBUG", "1")
    assert isinstance(fedrec("run", "nothing").exception, ConfigError)


@pytest.fixture
def handlers():
    """Give back the handlers of signals: a command that was interrupted ignores all later ones."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in before.items():
        assert signal.getsignal(one) == signal.SIG_IGN
        signal.signal(one, handler)


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Interrupted(130), 130),
        (Interrupted(143), 143),
    ],
)
def test_an_interrupted_command_ends_with_the_code_of_its_signal(
    fedrec, monkeypatch, handlers, stop, code
):
    def interrupted(*_: object) -> None:
        raise stop

    monkeypatch.setattr("experiments.cli.settings.resolve", interrupted)
    refused(fedrec("run", "synthetic"), code)


@pytest.mark.parametrize("words", [["data", "describe"], ["baseline", "popularity"]])
def test_a_module_is_found_where_the_command_was_typed(fedrec, tmp_path, monkeypatch, words):
    """The entry point that is installed has its own folder on the path, not the current one."""
    module = f"shop_{words[0]}"
    (tmp_path / f"{module}.py").write_text(
        "import pandas as pd\n"
        "def events():\n"
        "    rows = [(user, (user + n) % 30, n) for user in range(60) for n in range(5)]\n"
        "    return pd.DataFrame(rows, columns=['user', 'item', 'time'])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part not in ("", str(tmp_path))])
    monkeypatch.setattr("server.run.write_report", lambda path: None)
    done = fedrec(*words, *sets(SMALL | {"data.source": f"{module}:events"}))
    assert done.exit_code == 0, done.output


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_inline_run_and_is_recorded(tmp_path, number, code):
    words = ["run", "--engine", "inline", "--partitions", "2", "--out", str(tmp_path / "run")]
    changes = SMALL | {"federation.rounds": "100000"}
    environment = os.environ | {"FEDREC_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli.main", *words, *sets(changes)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    rounds = tmp_path / "run" / "rounds.jsonl"
    deadline = time.monotonic() + 90
    while not rounds.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["status"] == "interrupted"
