"""Content of a checkpoint: three files of arrays and ``state.json``, all with a sha256.

``state.json`` holds the sha256 of every file beside it and, as its last key, of itself: safetensors
and JSON both load a flipped bit without an error.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fedrec.files.atomic import sha256
from fedrec.models.parameters import NamedArrays
from server.aggregation.strategy_state import Snapshot
from server.state.server_state import AcceptedReply, ServerState

FORMAT = 4

_STATE = "state.json"
_SEAL = ',\n  "self": "{}"\n}}\n'
_SEAL_LENGTH = len(_SEAL.format("0" * 64))


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """State of a run after a round.

    Attributes:
        line: Line of rounds.jsonl of the round.
        state: Weights, best weights, whose replies were used, early stopping, counts.
        strategy: State of the strategy.
        about: Identity of the run: token, config, data, code, versions. JSON.
    """

    line: dict[str, Any]
    state: ServerState
    strategy: Snapshot
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def round(self) -> int:
        """Number of the round."""
        return int(self.line["round"])


class DamagedError(Exception):
    """A checkpoint cannot be used; the message is the reason."""


def to_files(checkpoint: Checkpoint) -> dict[str, bytes]:
    """Encode a checkpoint as files: name -> content."""
    state = {
        key.name: getattr(checkpoint.state, key.name)
        for key in dataclasses.fields(ServerState)
        if key.name != "best_outcome"  # which a resumed run ranks again
    }
    arrays = {
        "weights": state.pop("weights"),
        "best": state.pop("best"),
        "strategy": checkpoint.strategy.arrays,
    }
    files, facts = {}, {}
    for part, named in arrays.items():
        content = save({name: np.asarray(array, order="C") for name, array in named.items()})
        files[f"{part}.safetensors"] = content
        facts[part] = {"sha256": sha256(content), "names": list(named)}
    for key in ("accepted", "best_accepted"):
        state[key] = {partition: vars(reply) for partition, reply in state[key].items()}
    state["checkpoints"] = [
        {partition: sorted(rounds) for partition, rounds in one.items()}
        for one in state["checkpoints"]
    ]
    files[_STATE] = _sealed(
        {
            "format": FORMAT,
            "files": facts,
            "line": checkpoint.line,
            "state": state,
            "strategy": checkpoint.strategy.values,
            "about": checkpoint.about,
        }
    )
    return files


def from_files(read: Callable[[str], bytes]) -> Checkpoint:
    """Decode a checkpoint whose files a function reads by name.

    Raises:
        DamagedError: The files are not what was written.
    """
    facts = _unsealed(read(_STATE))
    try:
        if facts["format"] != FORMAT:
            raise DamagedError(f"format {facts['format']!r}; this version reads format {FORMAT}")
        arrays = {
            part: _arrays(f"{part}.safetensors", facts["files"][part], read)
            for part in ("weights", "best", "strategy")
        }
        return Checkpoint(
            line=facts["line"],
            state=_state(facts["state"], arrays["weights"], arrays["best"]),
            strategy=Snapshot(arrays["strategy"], facts["strategy"]),
            about=facts["about"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The seal is right: another program wrote this, or a version that kept the format's number.
        raise DamagedError(f"{_STATE} is not what format {FORMAT} says ({error!r})") from None


def _state(facts: dict[str, Any], weights: NamedArrays, best: NamedArrays) -> ServerState:
    """Decode the state; in JSON the numbers of partitions became texts, and sets became lists."""
    read = dict(facts)
    for key in ("accepted", "best_accepted"):
        read[key] = {int(p): AcceptedReply(**reply) for p, reply in facts[key].items()}
    read["checkpoints"] = [
        {int(p): set(rounds) for p, rounds in one.items()} for one in facts["checkpoints"]
    ]
    return ServerState(weights=weights, best=best, **read)


def _arrays(file: str, facts: dict[str, Any], read: Callable[[str], bytes]) -> NamedArrays:
    """Read the arrays of a file in the order in which they were written; safetensors sorts them."""
    content = read(file)
    if sha256(content) != facts["sha256"]:
        raise DamagedError(f"{file} ({len(content)} bytes) has not the sha256 that {_STATE} says")
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise DamagedError(f"{file}: {error}") from None
    if sorted(arrays) != sorted(facts["names"]):
        raise DamagedError(f"{file} holds {sorted(arrays)}, {_STATE} says {facts['names']}")
    return {name: arrays[name] for name in facts["names"]}


def _sealed(facts: dict[str, Any]) -> bytes:
    """Encode as JSON whose last key is the sha256 of everything before that key."""
    body = json.dumps(facts, indent=2, allow_nan=False, default=_plain).removesuffix("\n}")
    return (body + _SEAL.format(sha256(body.encode()))).encode()


def _unsealed(content: bytes) -> dict[str, Any]:
    body, seal = content[:-_SEAL_LENGTH], content[-_SEAL_LENGTH:]
    if seal != _SEAL.format(sha256(body)).encode():
        raise DamagedError(f"{_STATE} ({len(content)} bytes) has not the sha256 that it ends with")
    try:
        facts: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise DamagedError(f"{_STATE}: {error}") from None
    return facts


def _plain(value: Any) -> Any:
    """Convert numpy's numbers and arrays, which JSON does not know, to Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")
