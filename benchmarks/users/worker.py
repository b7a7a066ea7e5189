"""One system in a process of its own, or on several: told of turns, it answers with seconds.

``python -m benchmarks.users.worker SYSTEM FACTS PROCESSES THREADS BATCH_SIZE``
"""

import contextlib
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

import torch

from benchmarks.users.answers import Answers, turns
from benchmarks.users.systems.list import SYSTEMS
from benchmarks.users.work import Totals, norm_of, opened


def share(system: str, facts: str, threads: int, size: int, turn: int, part: slice) -> Totals:
    """What a process does of a turn."""
    torch.set_num_threads(threads)
    work = opened(facts)
    users = work.users(turn)[part]
    return SYSTEMS[system](work, users, turn, size) if users else {}


def main() -> None:
    """Answer turn by turn."""
    answers = Answers()
    system, facts, *numbers = sys.argv[1:]
    processes, threads, size = (int(number) for number in numbers)
    torch.set_num_threads(threads)
    work = opened(facts)
    with contextlib.ExitStack() as stack:
        pool: Executor | None = None
        if processes > 1:
            spawn = get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(processes - 1, mp_context=spawn))
            list(pool.map(opened, [facts] * (processes - 1)))
        answers.say(ready=True)
        for turn in turns():
            work.users(turn)
            start = time.perf_counter()
            jobs = [
                pool.submit(share, system, facts, threads, size, turn, slice(rank, None, processes))
                for rank in range(1, processes)
                if pool is not None
            ]
            parts = [share(system, facts, threads, size, turn, slice(0, None, processes))]
            parts += [job.result() for job in jobs]
            totals = {
                name: torch.stack([part[name] for part in parts if part]).sum(dim=0)
                for name in parts[0]
            }
            seconds = time.perf_counter() - start
            weight = sum(work.targets(user) for user in work.users(turn))
            norm = None if system == "centralised" else norm_of(totals, weight)
            answers.say(seconds=seconds, norm=norm, gpu_mib=gpu_peak(work.device))


def gpu_peak(device: torch.device) -> float:
    """MiB that torch had of the GPU at its peak; 0 without one."""
    return torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else 0.0


if __name__ == "__main__":
    main()
