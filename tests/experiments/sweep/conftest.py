"""A preset of a federation that takes a second, and sweeps of it in this process."""

import contextlib

import pytest

from experiments.sweep.api import prepare
from experiments.sweep.making import Room
from experiments.sweep.run import run_sweep
from fedrec.config.keys import to_toml


@pytest.fixture
def preset(small_home, undrawn, tmp_path, small_config):
    """Path of a config file, which sets neither seed nor folder."""
    path = tmp_path / "small.toml"
    path.write_text(to_toml(small_config({"federation.rounds": 2})))
    return str(path)


@pytest.fixture
def swept(preset, tmp_path):
    """``swept(*texts, **keywords)``: what is left, the runs that were made, and what was told."""

    def run(*texts, **keywords):
        made, told = [], []

        def show(runs, there):
            def on_end(planned, why):
                made.append(planned.folder.name)

            return contextlib.nullcontext(on_end)

        given = {"out": tmp_path / "out", "room": Room(jobs=1)}
        prepared = prepare(preset, texts, **given | keywords)
        left = run_sweep(
            prepared.plan,
            prepared.out,
            prepared.room,
            command="fedrec sweep",
            show=show,
            tell=told.append,
            pruning=prepared.pruning,
        )
        return prepared, left, made, told

    return run
