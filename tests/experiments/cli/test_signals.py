"""`fedrec signals`, from the typed command to its files, against a stub and a tiny model."""

import json

import pytest

pytest.importorskip("httpx")

from fedrec.semantics.signals import read_signals
from tests.experiments.cli.conftest import refused
from tests.semantics.signals.stub import BAD, Stub, good_answer, serving

DATA = ["--set", "data.source=synthetic:users=40,items=60"]


@pytest.fixture
def stub():
    with serving(Stub()) as served:
        yield served


@pytest.fixture
def signals(fedrec, stub, tmp_path):
    """``signals(...)``: the command on synthetic data against the stub."""
    how = ["--model", stub.address, "--model-name", "stub", "--out", tmp_path / "out"]
    return lambda *words: fedrec("signals", *DATA, *how, *words)


def test_it_writes_signals_and_a_report(signals, stub, tmp_path):
    done = signals("--limit", 12)
    assert done.exit_code == 0, done.output
    assert stub.calls == len(stub.seen) == 12
    out = tmp_path / "out"
    assert f"signals: {out / 'signals.jsonl'}\n" in done.stdout
    found = read_signals(out / "signals.jsonl")
    assert found.header["model"] == "stub"
    assert found.header["counts"] == {"signals": 12}
    assert found.header["items"] == len(found.by_item) == 12
    item, texts = next(iter(found.by_item.items()))
    assert item.startswith("i")
    assert texts in [json.loads(good_answer(one)) for one in stub.seen]
    page = (out / "signals.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert texts["usage"] in page
    assert "too small" not in page


def test_no_user_and_no_history_enters_a_request(signals, stub):
    """Each request is the prompt of one item; users are called u1 ... u40."""
    signals("--limit", 10)
    sent = [question for calls in stub.seen.values() for _, question, _ in calls]
    assert len(sent) == 10
    for question in sent:
        assert question.startswith("<item>\ntitle: ")
        assert question.endswith("\n</item>")
        lines = question.split("\n")[1:-1]
        assert {line.partition(": ")[0] for line in lines} <= {"title", "genres", "year"}


def test_the_same_command_goes_on_without_a_second_call(signals, stub, tmp_path):
    signals("--limit", 10)
    once = (tmp_path / "out" / "signals.jsonl").read_bytes()
    assert signals("--limit", 10).exit_code == 0
    assert stub.calls == 10
    assert (tmp_path / "out" / "signals.jsonl").read_bytes() == once
    signals("--limit", 15)
    assert stub.calls == 15


def test_a_dry_run_calls_nothing_and_says_what_it_assumes(signals, stub):
    done = signals("--limit", 20, "--dry-run", "--price-in", 1, "--price-out", 2)
    assert done.exit_code == 0, done.output
    assert stub.calls == 0
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert told["items"] == "20 to ask about"
    assert told["calls"] == "20 (1.00 an item, assumed, nothing measured)"
    assert told["time"].startswith("not known; state it by --seconds-per-call")
    assert float(told["cost"]) > 0


def test_a_dry_run_after_some_items_is_measured(signals, stub):
    stub.script = lambda item, call: "loop" if call == 0 else "good"
    signals("--limit", 10)
    done = signals("--limit", 30, "--dry-run")
    assert "calls: 40 (2.00 an item, measured on 10 items)\n" in done.stdout
    assert "cost: none (no price given)\n" in done.stdout
    assert stub.calls == 20


def test_the_cost_limit_stops_it_before(signals, stub, tmp_path):
    done = signals("--price-in", 1000, "--price-out", 1000, "--max-cost", 20, "--parallel", 1)
    assert done.exit_code == 5
    assert "error: stopped before the end: the cost limit is reached; the same command goes on" in (
        done.stderr
    )
    assert 0 < stub.calls < 50
    assert read_signals(tmp_path / "out" / "signals.jsonl").header["counts"]["not asked"] > 0
    page = (tmp_path / "out" / "signals.html").read_text(encoding="utf-8")
    assert "Stopped before the end: the cost limit is reached" in page


def test_what_filters_took_stands_in_the_report_with_examples(signals, stub, tmp_path):
    stub.script = lambda item, call: "loop"
    done = signals("--limit", 3, "--kinds", "usage,intent,theme")
    assert "loop: 3 items\n" in done.stdout
    page = (tmp_path / "out" / "signals.html").read_text(encoding="utf-8")
    assert '<h3 id="filter-loop">loop</h3>' in page
    assert "&#39;hero&#39; 2 times in 2 words" in page
    assert json.loads(BAD["loop"])["usage"] in page
    assert "Only 0 of 3 items have a signal" in page


def test_the_key_is_nowhere_on_the_disk(signals, stub, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_LLM", "sk-0123456789-secret")
    assert signals("--limit", 2, "--key-variable", "MY_LLM").exit_code == 0
    assert {one["Authorization"] for one in stub.headers} == {"Bearer sk-0123456789-secret"}
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) == 3
    assert all(b"sk-0123456789-secret" not in path.read_bytes() for path in written)


def test_every_mistake_of_the_options_is_told_at_once(fedrec):
    how = ["--model", "smollm2", "--limit", 0, "--max-cost", 1, "--model-name", "x"]
    done = fedrec("signals", *DATA, *how)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "error: --limit must be 1 or more, got 0",
        "error: --max-cost needs --price-in and --price-out: prices are never guessed",
        "error: --price-in, --price-out, --model-name and --key-variable are for a model at an "
        "address; --model smollm2 runs here and costs nothing",
    ]


def test_a_model_is_needed(fedrec):
    refused(
        fedrec("signals", *DATA),
        2,
        "--model is needed: smollm2, a transformers folder, an address, or rules",
    )


def test_a_folder_of_somebody_else_is_left_alone(fedrec, tmp_path, stub):
    (tmp_path / "thesis.tex").write_text("ten years")
    how = ["--model", stub.address, "--model-name", "stub", "--out", tmp_path]
    refused(fedrec("signals", *DATA, *how), 2, "is not empty and holds no ledger.jsonl; choose")
    assert stub.calls == 0


def test_fields_that_the_catalogue_lacks_are_refused_before_any_call(signals, stub):
    refused(signals("--set", "semantics.fields=title,brand"), 2, "semantics.fields names 'brand'")
    assert stub.calls == 0
