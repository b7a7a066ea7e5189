"""How many runs go on at a time, by the CPUs and GPUs that each takes."""

import pytest

from experiments.sweep import making
from experiments.sweep.making import Room, jobs_in
from fedrec.errors import ResourceError


@pytest.mark.parametrize(
    ("room", "runs", "jobs"),
    [
        (Room(), 9, 4),
        (Room(), 3, 3),
        (Room(jobs=2), 9, 2),
        (Room(cpus=2), 9, 2),
        (Room(cpus=0.5), 9, 8),
        (Room(cpus=16), 9, 1),
    ],
)
def test_on_this_machine_by_its_cores(monkeypatch, room, runs, jobs):
    monkeypatch.setattr(making, "cores", lambda: 4)
    assert room.jobs_here(runs) == jobs


@pytest.mark.parametrize(
    ("room", "jobs"),
    [
        (Room(), 8),
        (Room(gpus=1), 2),
        (Room(gpus=0.25), 8),
        (Room(cpus=0.1, gpus=0.1), 20),
        (Room(cpus=3, gpus=0.25), 2),
    ],
)
def test_on_ray_by_what_it_has(room, jobs):
    assert jobs_in({"CPU": 8.0, "GPU": 2.0}, room, 20) == jobs


def test_no_room_for_one_run_is_refused():
    with pytest.raises(ResourceError, match=r"a run is to take 0\.5 GPUs \(--gpus\), Ray has 0"):
        jobs_in({"CPU": 8.0}, Room(gpus=0.5), 20)
