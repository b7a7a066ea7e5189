import os
import platform

import pytest

from fedrec.files.machine import cores, machine_facts, usual_threads


def test_the_facts_of_run_json():
    facts = machine_facts()
    assert list(facts) == ["cores", "memory_gib", "platform"]
    assert facts["platform"] == platform.platform()
    assert facts["memory_gib"] > 0
    assert 1 <= cores() <= facts["cores"]


def test_a_system_that_tells_no_memory_is_no_error(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert machine_facts()["memory_gib"] is None


@pytest.mark.parametrize(("asked", "threads"), [("3", 3), (" 1 ", 1), ("0", None), ("all", None)])
def test_threads_are_those_of_omp_num_threads_where_it_is_a_number(monkeypatch, asked, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert usual_threads() == (threads or cores())
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert usual_threads() == cores()
