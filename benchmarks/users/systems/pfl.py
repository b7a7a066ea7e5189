"""Apple's pfl on one process or several: starts the ranks, as torchrun would, and becomes rank 0.

``python -m benchmarks.users.systems.pfl FACTS PROCESSES``, in an environment that has pfl.
"""

import os
import socket
import subprocess
import sys

from benchmarks.users.answers import Answers


def main() -> None:
    """Rank 0 is told of the turns, answers, and passes them on."""
    answers = Answers()
    facts, processes = sys.argv[1], int(sys.argv[2])
    followers = start_followers(processes) if "RANK" not in os.environ else []
    # pfl joins torch.distributed when it is imported.
    from benchmarks.users.systems.pfl_rank import serve

    serve(answers, facts, followers)


def start_followers(processes: int) -> list["subprocess.Popen[str]"]:
    """Start ranks 1 and up with the same arguments."""
    if processes == 1:
        return []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "TORCHELASTIC_RUN_ID": "none",
        "RANK": "0",
        "LOCAL_RANK": "0",
    }
    return [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.users.systems.pfl", *sys.argv[1:]],
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for rank in range(1, processes)
    ]


if __name__ == "__main__":
    main()
