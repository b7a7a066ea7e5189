"""Files that a config names: the weights of ``run.start-from``, signals, item vectors.

``os.path`` says False of a name that is too long for any file, where ``Path`` raises.
"""

import os
from pathlib import Path

from fedrec.errors import DataError
from fedrec.files.atomic import read_regular, sha256
from fedrec.files.home import home

KEY = "run.start-from"
WEIGHTS = "model.safetensors"  # of a run's folder, and of a saved estimator's
SIGNALS = "signals.jsonl"  # of a folder that `fedrec signals` writes
COPY = "start.safetensors"  # of a run's folder: the weights that it started from


def named_run(value: str) -> str:
    """The folder of a run that is named as those under ``$FEDREC_HOME/runs``; else the value."""
    is_name = len(Path(value).parts) == 1 and not os.path.exists(value)
    folder = home() / "runs" / value
    return str(folder) if is_name and os.path.isfile(folder / "run.json") else value


def signals_file(value: str) -> str:
    """The file of ``semantics.signals``: itself, that of a folder, or that of a name.

    A name stands for the folder under ``$FEDREC_HOME/signals`` that `fedrec signals` writes to.
    """
    path = Path(value)
    if len(path.parts) == 1 and not os.path.exists(path) and not path.suffix:
        path = home() / "signals" / value
        return str(path / SIGNALS)
    return str(path / SIGNALS) if os.path.isdir(path) else value


def start_file(value: str) -> Path:
    """The file of weights: the value itself, or that in the folder of a run or an estimator."""
    path = Path(value)
    return path / WEIGHTS if os.path.isdir(path) else path


def start_content(value: str) -> bytes:
    """The bytes of the file of weights.

    Raises:
        DataError: There is no such file, or it cannot be read.
    """
    path = start_file(value)
    try:
        if not path.is_file():
            raise DataError(
                f"{KEY} = {value!r}: {path} is no file; name the folder of a run that has a "
                f"{WEIGHTS}, or such a file"
            )
        return read_regular(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{KEY} = {value!r} cannot be read: {error}") from None


def start_sha256(value: str) -> str:
    """The sha256 of the file of weights: it, and not where the file lies, decides the results.

    Raises:
        DataError: There is no such file, or it cannot be read.
    """
    return sha256(start_content(value))


def file_digest(key: str, path: str) -> str:
    """The sha256 of a file that a key names, as of the weights.

    Raises:
        DataError: There is no such file, or it cannot be read.
    """
    try:
        return sha256(read_regular(Path(path)))
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{key} = {path!r} cannot be read: {told}") from None
