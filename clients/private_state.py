"""Private state of a client between rounds: private parameters and the optimiser's state.

One file per trained round. A message names the round whose reply the server used last and the
digest of the file that belongs to it, and the client goes on from that very file: a lost reply, a
repeated message or a resumed run changes nothing. Files that the server
may come back to are kept. (Flower's ``context.state`` dies with the simulation.)
"""

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from fedrec.errors import MessageError, ResourceError
from fedrec.files.atomic import new_file, read_regular, sha256
from fedrec.files.home import home
from fedrec.models.parameters import NamedArrays

TOKEN = re.compile(r"[0-9a-f]{8,64}")
FILE = re.compile(r"round-(\d{5,})\.safetensors")
DRAFT = re.compile(r"\.round-(\d{5,})\..*")  # of a write that is under way, or was killed


class PrivateState:
    """Store of the private files of one partition in one run.

    Args:
        token: Name of the run, hexadecimal.
        partition: Number of the client.

    Raises:
        MessageError: A token that is no such name.
    """

    def __init__(self, token: str, partition: int) -> None:
        if not TOKEN.fullmatch(token):
            raise MessageError(f"run token must be 8 to 64 hexadecimal digits, got {token!r}")
        self.folder = home() / "clients" / token / f"partition-{partition:05d}"

    def read(self, round: int, digest: str) -> NamedArrays:
        """Arrays kept after ``round``; none before the first accepted one.

        Args:
            round: Round whose reply the server used last, 0 for none.
            digest: Digest (sha256) of the file, as ``write`` returned it then.

        Raises:
            ResourceError: The file is gone or another one, so the client cannot go on as it was.
        """
        if round == 0:
            return {}
        path = self._path(round)
        with _reported(f"private file {path} cannot be read"):
            if not path.exists():
                raise ResourceError(
                    f"the private file of round {round} is missing in {self.folder}; the client's "
                    "folder was emptied since"
                )
            content = read_regular(path)
        found = sha256(content)
        if found != digest:
            raise ResourceError(
                f"private file {path} is not the one the server accepted (sha256 {found[:16]}, "
                f"expected {digest[:16]}); the run cannot go on from here"
            )
        return dict(load(content))

    def write(self, round: int, arrays: NamedArrays, keep: Iterable[int] = ()) -> str:
        """Keep ``arrays`` as the state after ``round``; return the sha256 of their file.

        Equal arrays make equal bytes. Nothing is flushed to the disk: a file that is torn when the
        machine fails is found by its digest.

        Args:
            round: Round that was just trained.
            arrays: Arrays that stay on the device.
            keep: Earlier rounds whose files the server may come back to; others are removed.

        Raises:
            ResourceError: The disk is full or refuses; earlier files are as they were.
        """
        content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
        path = self._path(round)
        with _reported(f"private file {path} cannot be written"):
            self.folder.mkdir(parents=True, exist_ok=True)
            # A reply that came too late may still write the same round: each has a draft.
            with new_file(path, mode=0o600, durable=False) as file:
                file.write(content)
        with _reported(f"old private files in {self.folder} cannot be removed"):
            self._tidy(round, set(keep))
        return sha256(content)

    def delete(self) -> None:
        """Remove the files of this partition; the last one removes the run's folder too."""
        with (
            _reported(f"private files in {self.folder} cannot be removed"),
            contextlib.suppress(FileNotFoundError),
        ):
            shutil.rmtree(self.folder)
        with contextlib.suppress(OSError):  # other partitions of the run are still there
            self.folder.parent.rmdir()

    def _tidy(self, round: int, keep: set[int]) -> None:
        """Remove files and drafts of rounds before ``round`` that nobody needs.

        Later ones stay: work that ends after its round is over, in another process, must not
        take away what a newer round has written or is writing.
        """
        for path in list(self.folder.iterdir()):
            file, draft = FILE.fullmatch(path.name), DRAFT.fullmatch(path.name)
            if (file and int(file[1]) < round and int(file[1]) not in keep) or (
                draft and int(draft[1]) < round
            ):
                path.unlink(missing_ok=True)

    def _path(self, round: int) -> Path:
        return self.folder / f"round-{round:05d}.safetensors"


@contextlib.contextmanager
def _reported(what: str) -> Iterator[None]:
    """Report an error of the file system in one line."""
    try:
        yield
    except OSError as error:
        raise ResourceError(f"{what}: {error.strerror or error}") from error


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
