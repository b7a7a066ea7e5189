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
from tests.experiments.cli.conftest import refused

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


def test_report_is_made_again_from_the_folder_alone(fedrec, done, tmp_path, only_figures):
    only_figures()
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


def test_data_check_says_what_would_be_read_and_ends_by_the_code_of_the_error(fedrec, tmp_path):
    path = tmp_path / "shop.csv"
    rows = "".join(f"u{u},i{i},{i}\n" for u in range(6) for i in range(6))
    path.write_text(f"user_id,sku,ts\n{rows}")
    result = fedrec("data", "check", path)
    assert result.exit_code == 0
    assert "kept           36 events of 6 users and 6 items" in result.stdout
    refused = fedrec("data", "check", path, "--set", "data.min-item-events=9")
    assert refused.exit_code == 4
    assert "item is 'sku' (found by its usual name)" in refused.stdout
    assert "lower data.min-item-events" in refused.stderr
    path.write_text("user_id,sku,ts\n")
    assert "has a header but no row" in fedrec("data", "check", path).stderr


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
    def interrupted(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr("experiments.settings.resolve", interrupted)
    ended = fedrec("run", "synthetic")
    told = "terminated" if code == 143 else "interrupted"
    assert (ended.exit_code, ended.stderr) == (code, f"{told}\n")


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
