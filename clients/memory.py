"""What stays on the device between rounds: private parameters and the optimiser's state.

One file per trained round. A message names the round whose reply the server used last, and the
client goes on from that file: a reply that was lost, or a turn that is asked for again, changes
nothing. Two generations are kept. (Flower's ``context.state`` dies with the simulation.)
"""

import contextlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from fedrec.errors import ResourceError
from fedrec.home import home
from fedrec.models.parameters import NamedArrays

TOKEN = re.compile(r"[0-9a-f]{8,64}")


class Memory:
    """Private files of one partition in one run.

    Args:
        token: names the run; hexadecimal.
        partition: number of the client.
    """

    def __init__(self, token: str, partition: int) -> None:
        if not TOKEN.fullmatch(token):
            raise ResourceError(f"run token must be 8 to 64 hexadecimal digits, got {token!r}")
        self.folder = home() / "clients" / token / f"partition-{partition:05d}"

    def read(self, round: int) -> NamedArrays:
        """Arrays kept after ``round``; none before the first accepted one.

        Raises:
            ResourceError: the file is gone, so the client cannot go on as it was.
        """
        if round == 0:
            return {}
        path = self._path(round)
        if not path.is_file():
            raise ResourceError(
                f"the private file of round {round} is missing in {self.folder}; the client's "
                "folder was emptied during the run"
            )
        return dict(load_file(path))

    def write(self, round: int, arrays: NamedArrays, accepted: int, best: int = 0) -> None:
        """Keep ``arrays`` as the state after ``round``, beside those of ``accepted`` and ``best``.

        Args:
            round: that was just trained.
            arrays: what stays on the device.
            accepted: round whose reply the server used last.
            best: the last one it had used when the global model was at its best.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".round-{round:05d}.{os.getpid()}"
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, temporary)
        os.replace(temporary, self._path(round))
        kept = {self._path(number) for number in (round, accepted, best)}
        for path in self.folder.glob("round-*.safetensors"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the files of this partition; the last one removes the run's folder too."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # other partitions of the run are still there
            self.folder.parent.rmdir()

    def _path(self, round: int) -> Path:
        return self.folder / f"round-{round:05d}.safetensors"


def split_state(arrays: NamedArrays) -> tuple[NamedArrays, NamedArrays]:
    """Private parameters and optimiser state of what ``joined_state`` put together."""
    parts: dict[str, NamedArrays] = {"parameter": {}, "optimizer": {}}
    for key, array in arrays.items():
        kind, _, name = key.partition("/")
        parts[kind][name] = array
    return parts["parameter"], parts["optimizer"]


def joined_state(parameters: NamedArrays, optimizer: NamedArrays) -> NamedArrays:
    """One set of arrays to keep from private parameters and optimiser state."""
    kept = {f"parameter/{name}": array for name, array in parameters.items()}
    return kept | {f"optimizer/{name}": array for name, array in optimizer.items()}
