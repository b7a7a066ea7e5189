"""Every kind of setting on every engine: one seed gives one hash.

``python -m experiments.reproducibility.matrix`` makes the runs of ``settings`` on each engine and
prints a row for each; the first difference ends it, with the files and lines that differ. Each
engine has its own process, prepared data and order of Python's sets.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from experiments.engines.flower_service import THREADS
from experiments.reproducibility import same_bytes, verify
from experiments.reproducibility.matrix.jobs import Job, write_jobs
from experiments.reproducibility.matrix.settings import settings
from fedrec.errors import ConfigError, FedrecError
from fedrec.randomness import generator

ROOT = Path(__file__).resolve().parents[3]
ENGINES = ("inline", "ray x1", "ray x2", "flower")  # the first is what the others must equal
BATCH = "experiments.reproducibility.matrix.batch"
LOOK_EVERY = 0.2  # seconds
STOP_SECONDS = 30.0  # that an engine has to end what it has started
LAST_WORDS = 2000  # characters of what an engine said before it failed


def chosen(only: Sequence[str], sample: int, seed: int) -> list[str]:
    """Names of settings.

    Args:
        only: Parts of names, of which one must occur; all settings if there are none.
        sample: Number of settings that are drawn of those; 0 for all.
        seed: Seed of the draw.

    Raises:
        ConfigError: No setting is left.
    """
    names = [name for name in settings() if not only or any(part in name for part in only)]
    if not names:
        raise ConfigError(f"no setting has {' or '.join(map(repr, only))} in its name")
    if not 0 < sample < len(names):
        return names
    drawn = generator(seed, "matrix", "sample").choice(len(names), sample, replace=False)
    return [names[index] for index in sorted(drawn)]


def jobs_on(engine: str, names: Sequence[str], out: Path) -> list[Job]:
    """The runs of an engine, in the order of the names."""
    every = settings()
    return [Job(_place(engine, out) / _slug(name), every[name]) for name in names]


def digest(folder: Path) -> str:
    """One hash for all that two runs must have in common: weights, ranks, tables and lines."""
    left = verify.read_left(folder)
    parts = [same_bytes.read_left(folder).digest().encode(), *left.files.values()]
    parts += [left.ranks[name].tobytes() for name in sorted(left.ranks)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def differences(first: Path, second: Path) -> list[str]:
    """What differs between two runs of a setting, a line each."""
    found = verify.compare(first, second)
    if same_bytes.read_left(first).weights != same_bytes.read_left(second).weights:
        found.append("the last checkpoint's weights in float64: other bytes")
    return found


def run_engine(engine: str, names: Sequence[str], out: Path) -> None:
    """Make the runs of an engine that are not there yet; compare each with inline's as it ends.

    Raises:
        FedrecError: A run failed or differs; the message says in what.
    """
    place = _place(engine, out)
    place.mkdir(parents=True, exist_ok=True)
    jobs = jobs_on(engine, names, out)
    for job in jobs:
        if not job.ended.exists() or job.ended.read_text():  # broken off or failed: once more
            shutil.rmtree(job.folder, ignore_errors=True)
            job.ended.unlink(missing_ok=True)
    write_jobs(place, jobs)
    own = {key: value for key, value in os.environ.items() if key not in THREADS}
    own |= {
        "FEDREC_HOME": str(place / "home"),
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": str(1 + ENGINES.index(engine)),  # no set may be walked in its order
    }
    command = [sys.executable, "-m", BATCH, engine, str(place)]
    with (place / "said.txt").open("ab") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=own, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    waiting = dict(zip(names, jobs, strict=True))
    try:
        while waiting:
            is_over = process.poll() is not None
            for name in [name for name, job in waiting.items() if job.ended.exists()]:
                _check(engine, name, waiting.pop(name), out)
            if waiting and is_over:
                words = (place / "said.txt").read_text(errors="replace")[-LAST_WORDS:]
                raise FedrecError(f"{engine} ended with code {process.returncode}: {words}")
            time.sleep(LOOK_EVERY)
        process.wait()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def _check(engine: str, name: str, job: Job, out: Path) -> None:
    """Refuse a run that failed or that is another than inline's."""
    if reason := job.ended.read_text():
        raise FedrecError(f"{name} on {engine} failed: {reason}")
    first = jobs_on(ENGINES[0], [name], out)[0].folder
    if found := differences(first, job.folder):
        lines = "".join(f"\n  {one}" for one in found)
        raise FedrecError(f"{name} on {engine} differs from {ENGINES[0]}:{lines}")


def _place(engine: str, out: Path) -> Path:
    return out / engine.replace(" ", "-")


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def main(
    only: Annotated[list[str] | None, typer.Option(help="Part of a setting's name.")] = None,
    sample: Annotated[int, typer.Option(help="Number of settings to draw; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    engine: Annotated[list[str] | None, typer.Option(help="inline, 'ray x2', ...")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep all runs in this folder; a second call goes on.")
    ] = None,
) -> None:
    """Print a row of hashes for each setting; exit with 1 at the first difference."""
    scratch = Path(tempfile.mkdtemp(prefix="matrix-")) if out is None else out.resolve()
    engines = [one for one in ENGINES if one == ENGINES[0] or not engine or one in engine]
    start = time.monotonic()
    try:
        names = chosen(only or (), sample, seed)
        for one in engines:
            run_engine(one, names, scratch)
            minutes = (time.monotonic() - start) / 60
            typer.echo(f"{one}: {len(names)} runs, {minutes:.1f} minutes since the start", err=True)
        typer.echo(
            "| setting | " + " | ".join(engines) + " |\n" + "|---" * (len(engines) + 1) + "|"
        )
        for name in names:
            found = [digest(jobs_on(one, [name], scratch)[0].folder)[:12] for one in engines]
            typer.echo(f"| {name} | " + " | ".join(f"`{one}`" for one in found) + " |")
            if len(set(found)) > 1:
                raise FedrecError(f"{name}: {len(set(found))} hashes")
    except FedrecError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        if out is None:
            shutil.rmtree(scratch, ignore_errors=True)
    typer.echo(f"\n{len(names)} settings on {len(engines)} engines: one hash each")


if __name__ == "__main__":
    typer.run(main)
