import os
import platform

from fedrec.files.machine import cores, machine_facts


def test_the_facts_of_run_json():
    facts = machine_facts()
    assert list(facts) == ["cores", "memory_gib", "platform"]
    assert facts["platform"] == platform.platform()
    assert facts["memory_gib"] > 0
    assert 1 <= cores() <= facts["cores"]


def test_a_system_that_tells_no_memory_is_no_error(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert machine_facts()["memory_gib"] is None
