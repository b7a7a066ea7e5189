"""Folders of checkpoints: the last two are kept.

A checkpoint is a folder that gets its name only when everything in it is on the disk.
"""

import os
import re
import shutil
from pathlib import Path

from fedrec.errors import DataError, ResourceError
from fedrec.files.atomic import flush_folder, flushed_file
from server.checkpoints.content import Checkpoint, DamagedError, from_files, to_files

__all__ = ["KEPT", "Checkpoint", "load_checkpoint", "remove_after", "save_checkpoint"]

KEPT = 2

# Replacing a checkpoint takes two renames; killed between them, the old one has the second name.
_NAME = re.compile(r"round-(\d{5,})|\.round-(\d{5,})\.replaced")


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> Path:
    """Write ``checkpoints/round-NNNNN`` and remove all but the last two up to it.

    Raises:
        ResourceError: It cannot be written; the checkpoints before it are unchanged.
    """
    parent = run / "checkpoints"
    folder = parent / f"round-{checkpoint.round:05d}"
    draft = parent / f".{folder.name}.draft"
    files = to_files(checkpoint)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for left_over in parent.glob(".round-*.draft"):  # by a process that was killed
            _remove(left_over)
        draft.mkdir()
        for name, content in files.items():
            with flushed_file(draft / name) as file:
                file.write(content)
        flush_folder(draft)
        if os.path.lexists(folder):
            replaced = parent / f".{folder.name}.replaced"
            _remove(replaced)
            os.replace(folder, replaced)
        os.replace(draft, folder)
        flush_folder(parent)
        flush_folder(run)  # where `checkpoints` itself may be new
    except OSError as error:
        raise ResourceError(
            f"{folder} cannot be written: {error.strerror or error}; {_intact_checkpoint(run)}"
        ) from None
    finally:
        _remove(draft)
    past = [path for number, path in _found(parent) if number <= checkpoint.round]
    kept = [path for path in past if not path.name.startswith(".")][:KEPT]
    for path in past:
        if path not in kept:
            _remove(path)
    return folder


def load_checkpoint(run: Path, before: int | None = None) -> tuple[Checkpoint | None, list[str]]:
    """Load the newest checkpoint that is not damaged, and one line for each newer one that is.

    Args:
        run: Folder of the run.
        before: Round before which the checkpoint must be; none for any.

    Returns:
        (None, []) for a run without checkpoints.

    Raises:
        DataError: There are checkpoints, and all of them are damaged.
    """
    damages: list[str] = []
    for number, folder in _found(run / "checkpoints"):
        if before is not None and number >= before:
            continue
        try:
            return _read(folder, number), damages
        except DamagedError as error:
            damages.append(f"checkpoint {folder.name} cannot be used: {error}")
    if damages:
        raise DataError(f"{run / 'checkpoints'} holds no intact checkpoint: {'; '.join(damages)}")
    return None, []


def remove_after(run: Path, round: int) -> None:
    """Remove the checkpoints of later rounds: the run is resumed from this one.

    Raises:
        ResourceError: A checkpoint cannot be removed.
    """
    for number, path in _found(run / "checkpoints"):
        if number > round:
            _remove(path)
            if os.path.lexists(path):
                raise ResourceError(f"{path} cannot be removed; remove it by hand")


def _found(parent: Path) -> list[tuple[int, Path]]:
    """Rounds and paths of all folders named as checkpoints, newest first."""
    try:
        paths = list(parent.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{parent} cannot be read: {error.strerror}") from None
    matches = [(_NAME.fullmatch(path.name), path) for path in paths]
    found = [(int(match[1] or match[2]), path) for match, path in matches if match]
    # Of one round, the checkpoint itself comes before the one that it replaced.
    return sorted(found, key=lambda pair: (-pair[0], pair[1].name.startswith(".")))


def _read(folder: Path, number: int) -> Checkpoint:
    if folder.is_symlink() or not folder.is_dir():
        raise DamagedError("it is no folder")

    def content(name: str) -> bytes:
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise DamagedError(f"{name} is missing")
        try:
            return path.read_bytes()
        except OSError as error:
            raise DamagedError(f"{name} cannot be read: {error.strerror}") from None

    checkpoint = from_files(content)
    if checkpoint.round != number:
        raise DamagedError(f"it holds round {checkpoint.round}")
    return checkpoint


def _intact_checkpoint(run: Path) -> str:
    try:
        checkpoint, _ = load_checkpoint(run)
    except DataError:
        checkpoint = None
    if checkpoint is None:
        return "there is no checkpoint before it"
    return f"the checkpoint of round {checkpoint.round} is intact"


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
