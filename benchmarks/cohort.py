"""The cohort engine beside a plain loop over users and a centralised pass on the same tokens.

``python benchmarks/cohort.py --source /abs/ml-1m.zip`` measures in one process run, turn by turn:

- the engine on one core, and on two processes;
- a plain PyTorch loop, a fresh copy of the model for each user, on one core and on two processes;
- a centralised pass: the same windows, pooled and bucketed by length, at its best batch size.

Work: SASRec, 2 blocks, 1 head, width 64, length 50, trained item table, BCE with one sampled
negative per position; one user per client, 3 local SGD steps over the user's windows. A token is
a training target that went forward and back once. ``--recipe one-step`` measures a round of one
local step on the last 200 items instead, against a centralised pass at the same batch size.

The machine's speed drifts, so systems take turns, and the table gives medians over turns. CPU
seconds stand beside wall seconds: they do not count the time that other work took the core away.
Run it with OMP_NUM_THREADS=1. Peaks of memory are read from /proc, of one process a system.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from fedrec.config import Model
from fedrec.data.negatives import history_mask, sampled_negatives
from fedrec.data.sequences import Sequences
from fedrec.data.splits import training_part
from fedrec.data.store import open_dataset, prepare
from fedrec.home import home
from fedrec.models.build import build_model
from fedrec.models.losses import binary_loss
from fedrec.models.recommender import Recommender
from fedrec.randomness import generator
from fedrec.training.batches import pad_rows
from fedrec.training.cohort import train_cohort
from fedrec.training.cohort_loss import CohortLoss
from fedrec.training.cohort_plan import CohortPlan
from fedrec.training.windows import windows_of

RATE = 0.05
Timed = tuple[float, float]  # wall and CPU seconds


class Work:
    """Data, model and plan of one recipe; built once per process."""

    def __init__(self, folder: str, steps: int, length: int, newest: int, hidden: int) -> None:
        torch.set_num_threads(1)
        dataset = open_dataset(Path(folder))
        self.training: Sequences = training_part(dataset.sequences)
        self.num_items = dataset.catalog.num_items
        settings = Model(name="sasrec", max_length=length, hidden=hidden, identity_start="random")
        self.model: Recommender = build_model(
            settings,
            num_items=self.num_items,
            meaning=None,
            content=np.zeros((self.num_items + 1, 0), dtype=np.float32),
            frequency=np.zeros(self.num_items + 1),
            seed=0,
        )
        self.steps, self.length, self.newest = steps, length, newest

    def rows(self, user: int) -> list[np.ndarray]:
        """The user's windows, each with one item more than targets."""
        history = self.training.of(user)
        cut = windows_of(user, history, self.length, self.newest)
        pairs = zip(cut.starts, cut.lengths, strict=True)
        return [history[start : start + length + 1] for start, length in pairs]

    def targets(self, user: int) -> int:
        return sum(len(row) - 1 for row in self.rows(user))


def engine(work: Work, users: np.ndarray, round: int, group_tokens: int) -> dict[str, np.ndarray]:
    plan = CohortPlan(
        steps=work.steps,
        learning_rate=RATE,
        max_length=work.length,
        newest_windows=work.newest,
        group_tokens=group_tokens,
    )
    loss = CohortLoss(name="bce", num_items=work.num_items)
    done = train_cohort(work.model, work.training, users, plan=plan, loss=loss, seed=0, round=round)
    return done.total


def batch_loss(model: Recommender, work: Work, rows: list[np.ndarray], negatives: np.ndarray):
    batch = pad_rows(rows)
    real = batch["targets"] > 0
    needed, places = np.unique(
        np.concatenate([batch["items"].ravel(), batch["targets"][real], negatives]),
        return_inverse=True,
    )
    table = model.look_up(torch.from_numpy(needed))
    cut = np.split(torch.from_numpy(places).numpy(), [batch["items"].size, -len(negatives)])
    read = torch.from_numpy(cut[0]).view(batch["items"].shape)
    states, _ = model.encode(table, read, torch.from_numpy(batch["lengths"]))
    vectors = model.output_vectors(table)
    return binary_loss(
        states[torch.from_numpy(real)],
        vectors.index_select(0, torch.from_numpy(cut[1])),
        vectors.index_select(0, torch.from_numpy(cut[2])).unsqueeze(1),
    )


def loop(work: Work, users: np.ndarray, round: int, _: int) -> dict[str, np.ndarray]:
    """What one would write: every user trains a copy of its own with torch.optim."""
    names = [name for name, _ in work.model.named_parameters()]
    start = [parameter.detach() for parameter in work.model.parameters()]
    total = [torch.zeros_like(value) for value in start]
    own = copy.deepcopy(work.model)
    for user in users:
        with torch.no_grad():
            for parameter, value in zip(own.parameters(), start, strict=True):
                parameter.copy_(value)
        optimizer = torch.optim.SGD(own.parameters(), lr=RATE)
        rows = work.rows(int(user))
        targets = sum(len(row) - 1 for row in rows)
        seen = history_mask([work.training.of(int(user))], work.num_items)
        for step in range(work.steps):
            stream = generator(0, "negatives", round, step, int(user))
            negatives = sampled_negatives(stream, seen, targets, 1).ravel()
            optimizer.zero_grad()
            batch_loss(own, work, rows, negatives).backward()
            optimizer.step()
        with torch.no_grad():
            for value, parameter, first in zip(total, own.parameters(), start, strict=True):
                value.add_(parameter - first, alpha=targets)
    return {name: value.numpy() for name, value in zip(names, total, strict=True)}


def central(work: Work, users: np.ndarray, round: int, batch_size: int) -> dict[str, np.ndarray]:
    """As many passes over the same windows as a client takes steps, all windows pooled."""
    model = copy.deepcopy(work.model)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    owned = [(row, int(user)) for user in users for row in work.rows(int(user))]
    owned.sort(key=lambda pair: len(pair[0]))
    for epoch in range(work.steps):
        batches = range(0, len(owned), batch_size)
        for first in generator(0, "order", round, epoch).permutation(batches):
            rows = [row for row, _ in owned[first : first + batch_size]]
            stream = generator(0, "negatives", round, epoch, int(first))
            drawn = stream.integers(1, work.num_items + 1, sum(len(row) - 1 for row in rows))
            optimizer.zero_grad()
            batch_loss(model, work, rows, drawn).backward()
            optimizer.step()
    return {}


SYSTEMS = {"engine": engine, "loop": loop, "central": central}
_work: Work


def start_worker(*facts: object) -> None:
    global _work
    _work = Work(*facts)  # type: ignore[arg-type]


def in_worker(system: str, users: np.ndarray, round: int, size: int) -> float:
    start = time.process_time()
    SYSTEMS[system](_work, users, round, size)
    return time.process_time() - start


def peak(facts: tuple[object, ...], system: str, users: np.ndarray, size: int) -> float:
    """Peak of memory in use, MiB, of a process that does nothing else."""
    SYSTEMS[system](Work(*facts), users, 1, size)  # type: ignore[arg-type]
    # Not ru_maxrss, which a spawned process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def alone(run: Callable[[], object]) -> Timed:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def on_two(
    pool: ProcessPoolExecutor, system: str, work: Work, users: np.ndarray, round: int, size: int
) -> Timed:
    order = users[np.argsort([-work.targets(int(user)) for user in users], kind="stable")]
    wall = time.perf_counter()
    jobs = [pool.submit(in_worker, system, part, round, size) for part in (order[::2], order[1::2])]
    cpu = sum(job.result() for job in jobs)
    return time.perf_counter() - wall, cpu


def measured(
    asked: argparse.Namespace, facts: tuple[object, ...]
) -> dict[str, list[tuple[float, float, int]]]:
    """Wall and CPU seconds and tokens of each system, turn by turn; the first turn warms up."""
    work = Work(*facts)  # type: ignore[arg-type]
    taken: dict[str, list[tuple[float, float, int]]] = {}
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=start_worker, initargs=facts
    ) as pool:
        for turn in range(asked.turns + 1):
            users = generator(0, "select", turn).choice(6040, asked.clients, replace=False)
            tokens = work.steps * sum(work.targets(int(user)) for user in users)
            for name, system, size in asked.runs:
                timed = alone(partial(SYSTEMS[system], work, users, turn, size))
                taken.setdefault(name, []).append((*timed, tokens))
                if system != "central" and asked.processes == 2:
                    timed = on_two(pool, system, work, users, turn, size)
                    taken.setdefault(f"{name}, 2 processes", []).append((*timed, tokens))
    return {name: turns[1:] for name, turns in taken.items()}


def peaks(asked: argparse.Namespace, facts: tuple[object, ...]) -> dict[str, float]:
    """Peak memory in MiB of each system, alone in a fresh process."""
    users = generator(0, "select", 0).choice(6040, asked.clients, replace=False)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        return {
            name: pool.submit(peak, facts, system, users, size).result()
            for name, system, size in asked.runs
        }


def rows_of(
    clients: int, taken: dict[str, list[tuple[float, float, int]]], memory: dict[str, float]
) -> dict[str, dict[str, float]]:
    """Medians over turns, and the CPU time of a token over that of the best centralised pass."""
    table = {
        name: {
            "clients/s": statistics.median(clients / wall for wall, _, _ in turns),
            "wall us/token": statistics.median(1e6 * wall / tokens for wall, _, tokens in turns),
            "cpu us/token": statistics.median(1e6 * cpu / tokens for _, cpu, tokens in turns),
        }
        for name, turns in taken.items()
    }
    best = min(
        (row["cpu us/token"] for name, row in table.items() if name.startswith("central")),
        default=float("nan"),
    )
    for name, row in table.items():
        row["cpu/central"] = row["cpu us/token"] / best
        row["peak MiB"] = memory.get(name, float("nan"))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True)
    parser.add_argument("--recipe", choices=("three-steps", "one-step"), default="three-steps")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--group-tokens", type=int, default=4096)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--processes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.runs = [
        (f"{system}, batch {size}" if system == "central" else system, system, size)
        for system in asked.systems
        for size in (asked.batch_sizes if system == "central" else [asked.group_tokens])
    ]
    folder = prepare(
        asked.source, format="ml-1m", home=home(), min_item_events=5, min_user_events=3, seed=0
    )
    recipe = (3, 50, 0) if asked.recipe == "three-steps" else (1, 200, 1)
    facts = (str(folder), *recipe, asked.hidden)
    table = rows_of(asked.clients, measured(asked, facts), peaks(asked, facts))
    print(f"{asked.recipe}, {asked.clients} clients, hidden {asked.hidden}, {asked.turns} turns")
    print(f"{'':22}" + "".join(f"{column:>15}" for column in next(iter(table.values()))))
    for name, row in table.items():
        print(f"{name:22}" + "".join(f"{value:15.2f}" for value in row.values()))
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
