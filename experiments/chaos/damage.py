"""Twelve ways to damage the checkpoints of a run that was killed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from experiments.chaos.running import Running, run_to_end
from experiments.chaos.tries import Outcome, Tries, run_words
from fedrec.errors import FedrecError
from fedrec.randomness import generator
from fedrec.runs.record import read_rounds

FAULT = "a checkpoint damaged"
ROUNDS_BEFORE = 5  # so that two checkpoints are there

Damage = Callable[[Path, Path], None]  # of the newest checkpoint and the one before


def flip(path: Path, position: float = 0.5) -> None:
    """Flip a bit of a file, at a share of its length."""
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1
    path.write_bytes(content)


def truncate(path: Path, share: float) -> None:
    """Cut a file off."""
    os.truncate(path, int(share * path.stat().st_size))


def _both(newest: Path, before: Path) -> None:
    flip(newest / "weights.safetensors")
    flip(before / "weights.safetensors")


def _replaced(newest: Path, before: Path) -> None:
    shutil.rmtree(newest)
    shutil.copytree(before, newest)


DAMAGES: dict[str, Damage] = {
    "weights cut in half": lambda newest, _: truncate(newest / "weights.safetensors", 0.5),
    "state.json cut in half": lambda newest, _: truncate(newest / "state.json", 0.5),
    "a bit of the weights flipped": lambda newest, _: flip(newest / "weights.safetensors"),
    "a bit of the best weights flipped": lambda newest, _: flip(newest / "best.safetensors"),
    "a bit of the strategy flipped": lambda newest, _: flip(newest / "strategy.safetensors"),
    "a bit of state.json flipped": lambda newest, _: flip(newest / "state.json"),
    "best weights empty": lambda newest, _: truncate(newest / "best.safetensors", 0),
    "weights deleted": lambda newest, _: (newest / "weights.safetensors").unlink(),
    "state.json deleted": lambda newest, _: (newest / "state.json").unlink(),
    "the older one under the newer one's name": _replaced,
    "both damaged": _both,
    "no checkpoint left": lambda newest, _: shutil.rmtree(newest.parent),
}


def damage_checkpoints(tries: Tries, how_many: int) -> list[Outcome]:
    """Kill one run, then damage a copy of what it left in so many ways and resume each.

    Raises:
        FedrecError: The run ended before it could be killed.
    """
    names = list(DAMAGES)
    if how_many < len(names):
        drawn = generator(tries.seed, "chaos", FAULT).choice(len(names), how_many, replace=False)
        names = [names[int(index)] for index in sorted(drawn)]
    killed = _killed_run(tries)
    return [_resumed(tries, killed, name, number) for number, name in enumerate(names)]


def _killed_run(tries: Tries) -> Path:
    """A folder with ``run`` and ``home`` of a run that was killed with two checkpoints."""
    workdir = tries.workdir(FAULT, 0) / "killed"
    folder, home = workdir / "run", workdir / "home"
    shutil.copytree(tries.home / "prepared", home / "prepared")
    with Running(run_words("inline", folder, every=1), workdir, home) as running:

        def has_two() -> bool:
            lines, _ = read_rounds(folder / "rounds.jsonl", must_exist=False)
            return len(lines) > ROUNDS_BEFORE

        if not running.wait_until(has_two, every=0.02):
            raise FedrecError(f"the run to be damaged ended: {running.last_words()}")
        running.kill()
    return workdir


def _resumed(tries: Tries, killed: Path, name: str, number: int) -> Outcome:
    """Damage a copy and resume it: it ends with the same bytes, or says in a line why not."""
    workdir = tries.workdir(FAULT, number) / "copy"
    shutil.copytree(killed, workdir)
    folder = workdir / "run"
    newest, before = sorted((folder / "checkpoints").glob("round-*"))[:-3:-1]
    DAMAGES[name](newest, before)
    code, said = run_to_end(["resume", "--quiet", str(folder)], workdir / "again", workdir / "home")
    if code == 0:
        found = tries.differences(folder)
        log = (folder / "log.txt").read_text(encoding="utf-8")
        if "cannot be used" in log:
            return Outcome(FAULT, name, not found, "; ".join(found) or "recovered, same hash")
        return Outcome(
            FAULT, name, False, "recovered, but the log does not say that one is damaged"
        )
    words = (workdir / "again" / "said.txt").read_text(encoding="utf-8").strip()
    is_clear = code in (2, 4, 5) and words.startswith("error: ") and "\n" not in words
    return Outcome(FAULT, name, is_clear, f"refused: {said.removeprefix('error: ')}")
