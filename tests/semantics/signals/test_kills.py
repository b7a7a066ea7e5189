"""Killed at any byte of its ledger, a run goes on to the same bytes, and pays for nothing twice."""

import json
import os
import random
import zlib

import pytest

from fedrec.errors import DataError, ResourceError
from fedrec.semantics.signals.budget import Prices
from fedrec.semantics.signals.ledger import Ledger
from fedrec.semantics.signals.store import write_signals
from tests.semantics.signals.conftest import Scripted, asked, booked, items
from tests.semantics.signals.stub import BAD, good_answer

COUNT = 8


def second_time(item, attempt):
    """Every third item needs a second answer."""
    return BAD["loop"] if attempt == 1 and zlib.crc32(item.encode()) % 3 == 0 else good_answer(item)


@pytest.fixture
def whole(tmp_path, plan_for):
    """Ledger and signals of a run that nothing interrupted."""
    model = Scripted(second_time)
    plan = plan_for(model, items(COUNT))
    found, _ = asked(tmp_path / "whole.jsonl", plan, model)
    assert all(one.signals for one in found)
    assert COUNT < len(model.asked) < 2 * COUNT
    return plan, (tmp_path / "whole.jsonl").read_bytes(), signals_bytes(tmp_path, plan, found)


def signals_bytes(tmp_path, plan, found):
    by_item = {item: one.signals for item, one in zip(plan.item_ids, found, strict=True)}
    write_signals(tmp_path / "signals.jsonl", {"kinds": ["usage"]}, by_item)
    return (tmp_path / "signals.jsonl").read_bytes()


def paid(content):
    """Keys of the calls whose answer is on the disk, with or without its line break."""
    found = []
    for line in content.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record["event"] == "answer":
            found.append(f"{record['key']}/{record['attempt']}")
    return found


def test_a_hundred_kills_at_arbitrary_bytes_repeat_no_paid_call(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # a kill loses nothing that was written
    plan, ledger, signals = whole
    ends = [place + 1 for place, byte in enumerate(ledger) if byte == 10]
    cuts = [0, *ends[:5], *(end - 1 for end in ends[:5]), len(ledger)]
    cuts += random.Random(7).sample(range(len(ledger)), 100 - len(cuts))
    for cut in cuts:
        path = tmp_path / "cut.jsonl"
        path.write_bytes(ledger[:cut])
        model = Scripted(second_time)
        found, _ = asked(path, plan, model)
        assert not set(model.asked) & set(paid(ledger[:cut]))
        assert len(model.asked) + len(paid(ledger[:cut])) == len(paid(ledger))
        assert signals_bytes(tmp_path, plan, found) == signals
        assert sorted(paid(path.read_bytes())) == sorted(paid(ledger))  # every line is whole


def test_a_finished_run_asks_for_nothing(tmp_path, whole):
    plan, ledger, _ = whole
    (tmp_path / "again.jsonl").write_bytes(ledger)
    model = Scripted(second_time)
    asked(tmp_path / "again.jsonl", plan, model)
    assert model.asked == []
    assert (tmp_path / "again.jsonl").read_bytes() == ledger


def test_a_call_that_a_kill_cut_off_is_booked_at_its_upper_bound(tmp_path, whole):
    plan, ledger, _ = whole
    lines = ledger.splitlines(keepends=True)
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"".join(lines[:2]))  # the day, and a call without its answer
    with booked(path, plan, prices=Prices(prompt=1.0, completion=10.0)) as book:
        bound = json.loads(lines[1])["bytes"] * 1.0 + plan.decoding.max_tokens * 10.0
        assert book.spent == pytest.approx(bound / 1e6, rel=1e-12)
        assert book.calls == {"lost in a kill": 1}


def test_a_changed_line_is_named(tmp_path, whole):
    _, ledger, _ = whole
    lines = ledger.splitlines(keepends=True)
    lines[3] = b"{}x\n"
    (tmp_path / "changed.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(DataError, match=r"changed.jsonl, line 4 is no record of a call"):
        Ledger(tmp_path / "changed.jsonl")


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append({"event": "one"})
    before = (tmp_path / "ledger.jsonl").read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:9]))
    with pytest.raises(ResourceError, match=r"No space left on device; free space there"):
        ledger.append({"event": "two"})
    assert (tmp_path / "ledger.jsonl").read_bytes() == before
    assert ledger.records == [{"event": "one"}]
    ledger.close()
