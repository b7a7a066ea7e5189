"""200 items behind a server that fails three calls of ten in every way that is known."""

import zlib

import pytest

pytest.importorskip("httpx")

from fedrec.llm.address import AddressModel
from fedrec.semantics.signals.filters.names import ABOUT
from fedrec.semantics.signals.plan import ATTEMPTS
from tests.semantics.signals.conftest import asked, items
from tests.semantics.signals.stub import ANSWERED, FAULTS, FINAL

NAMED = {
    *ABOUT,
    *("rate-limit", "server", "connection", "timeout", "not-json", "wrong-shape"),
    *("error-as-answer", "too-long", "refused"),
}


def three_in_ten(item, call):
    drawn = zlib.crc32(f"{item} {call}".encode())
    return FAULTS[drawn // 10 % len(FAULTS)] if drawn % 10 < 3 else "good"


def test_every_item_ends_as_a_signal_or_a_named_failure_and_no_call_is_made_without_need(
    stub, tmp_path, plan_for
):
    stub.script = three_in_ten
    model = AddressModel(stub.address, "stub", parallel=16, timeout=2.0, sleep=lambda seconds: None)
    plan = plan_for(model, items(200))
    stops = []
    for _ in range(60):  # a daily quota ends a run; the next day it goes on
        found, stopped = asked(tmp_path / "ledger.jsonl", plan, model)
        if not stopped:
            break
        stops.append(stopped.partition(":")[0])
    assert set(stops) == {"daily-quota"}
    happened = {kind for calls in stub.seen.values() for kind, _, _ in calls}
    assert len(happened - {"good"}) >= 12
    assert len(found) == 200
    for one in found:
        assert bool(one.signals) != bool(one.failure)
        assert one.failure in NAMED | {""}
    assert sum(bool(one.signals) for one in found) > 150
    for calls in stub.seen.values():
        kinds = [kind for kind, _, _ in calls]
        assert "good" not in kinds[:-1], "asked again after a good answer"
        assert not set(FINAL) & set(kinds[:-1]), "asked again after a final fault"
        answered = [question for kind, question, _ in calls if kind in ANSWERED]
        assert len(answered) <= ATTEMPTS
        assert len(set(answered)) == len(answered), "a bad answer was asked for by the same prompt"


def test_what_was_wrong_stands_in_the_next_prompt(stub, tmp_path, plan_for):
    stub.script = lambda item, call: "missing-key" if call == 0 else "good"
    model = AddressModel(stub.address, "stub")
    found, _ = asked(tmp_path / "ledger.jsonl", plan_for(model, items(1)), model)
    ((first, second),) = stub.seen.values()
    assert found[0].signals
    assert "refused" not in first[1]
    assert "refused: it: keys usage; expected usage, intent, theme" in second[1]


def test_a_signal_of_one_model_is_not_taken_for_that_of_another(tmp_path, plan_for, stub):
    for name in ("one", "other", "one"):
        model = AddressModel(stub.address, name)
        asked(tmp_path / "ledger.jsonl", plan_for(model, items(2)), model)
    assert [len(calls) for calls in stub.seen.values()] == [2, 2]


def test_a_wrong_key_ends_it_at_the_first_call(tmp_path, plan_for, stub, monkeypatch):
    monkeypatch.setenv("THE_KEY", "sk-very-secret")
    monkeypatch.setattr(
        "tests.semantics.signals.stub.Handler.answer",
        lambda self, *about: self.send(
            401, '{"error": {"message": "Incorrect API key provided: sk-very-secret"}}'
        ),
    )
    model = AddressModel(stub.address, "stub", parallel=1, key_variable="THE_KEY")
    found, stopped = asked(tmp_path / "ledger.jsonl", plan_for(model, items(5)), model)
    assert stub.calls == 1
    assert stub.headers[0]["Authorization"] == "Bearer sk-very-secret"
    assert stopped == "not-allowed: status 401: Incorrect API key provided: (hidden)"
    assert [one.failure for one in found] == ["not-allowed"] + ["not asked"] * 4
    assert b"sk-very-secret" not in (tmp_path / "ledger.jsonl").read_bytes()


def test_an_address_that_is_down_is_given_up(tmp_path, plan_for, stub):
    stub.script = lambda item, call: "server"
    waited = []
    model = AddressModel(stub.address, "stub", parallel=2, sleep=waited.append)
    _, stopped = asked(tmp_path / "ledger.jsonl", plan_for(model, items(200)), model)
    assert stopped == "the address does not answer any more"
    assert stub.calls < 20
    assert {5.0, 10.0, 20.0, 40.0, 80.0} <= set(waited)
