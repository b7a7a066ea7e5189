"""Flower's simulation, one SuperNode per user: ServerApp and FedAvg as its guides write them.

``python -m benchmarks.users.systems.flower FACTS PROCESSES``. Real flwr on its Ray backend, in its
own favour: only as many SuperNodes as a round asks, no dashboard, a ready model copied per client
and data opened once per actor.
"""

import logging
import sys
import time

from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from benchmarks.users.answers import Answers, turns
from benchmarks.users.systems.flower_client import app as client
from benchmarks.users.work import norm_of, opened


def main() -> None:
    """Run the simulation; each turn is one round from the same weights."""
    answers = Answers()
    facts, processes = sys.argv[1], int(sys.argv[2])
    work = opened(facts)
    before = {name: value.detach() for name, value in work.model.named_parameters()}
    logging.getLogger("flwr").setLevel(logging.WARNING)
    server = ServerApp()

    @server.main()
    def serve(grid: Grid, context: Context) -> None:
        answers.say(ready=True)
        for turn in turns():
            count = len(work.users(turn))
            strategy = FedAvg(fraction_train=1e-9, fraction_evaluate=0.0, min_train_nodes=count)
            arrays = ArrayRecord(work.model.state_dict())
            config = ConfigRecord({"facts": facts, "turn": turn})
            start = time.perf_counter()
            done = strategy.start(grid, initial_arrays=arrays, num_rounds=1, train_config=config)
            seconds = time.perf_counter() - start
            mean = done.arrays.to_torch_state_dict()
            moved = {name: mean[name] - value for name, value in before.items()}
            answers.say(seconds=seconds, norm=norm_of(moved, 1.0))

    run_simulation(
        server,
        client,
        num_supernodes=work.most_users,
        backend_config={
            "init_args": {"num_cpus": processes, "include_dashboard": False},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        },
    )


if __name__ == "__main__":
    main()
