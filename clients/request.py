"""Requests: the contents of a message as typed values.

A server of other code is refused before this is read. What is wrong here all the same is refused
in one line that names the key: a guess would train something that nobody set.
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from flwr.app import Message

from fedrec import protocol
from fedrec.baselines import names
from fedrec.data.splits import Stage
from fedrec.errors import MessageError
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in

ConfigValues = Mapping[str, object]

STAGES = ("validation", "test")
SCORERS = ("model", *names.SCORERS)
DIGEST = re.compile(r"([0-9a-f]{64})?")  # of a private file, empty if there is none
ROUNDS = re.compile(r"(\d{1,9}(,\d{1,9})*)?")


@dataclass(frozen=True, kw_only=True)
class PastState:
    """Private state that the client starts from.

    Attributes:
        token: Name of the run's private files.
        accepted: Round whose reply of this client was used last, 0 for none.
        private_digest: Sha256 of the private file of that round, empty if it left none.
    """

    token: str
    accepted: int
    private_digest: str


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """A train message.

    Attributes:
        round: Number of the round, from 1.
        past: Private state to start from.
        keep: Rounds whose private files a checkpoint or the best model needs.
        proximal_mu: Weight of the FedProx term.
    """

    round: int
    past: PastState
    keep: tuple[int, ...]
    proximal_mu: float


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """An evaluate message.

    Attributes:
        round: Number of the round whose weights are evaluated.
        past: Private state of the personalised model.
        stage: Stage of the held-out items.
        scorer: "model" or one of ``fedrec.baselines.names.SCORERS``.
        protocols: Evaluation protocols of the ranks.
        further: Whether figures beyond the ranks are asked for.
    """

    round: int
    past: PastState
    stage: Stage
    scorer: str
    protocols: tuple[str, ...]
    further: bool


def config_of(message: Message) -> ConfigValues:
    """The config record of a message."""
    found = message.content.config_records.get(protocol.CONFIG) if message.has_content() else None
    if found is None:
        raise MessageError(f"the message has no record {protocol.CONFIG!r}")
    return found


def train_request(sent: ConfigValues) -> TrainRequest:
    """Read the config record of a train message."""
    number = _whole(sent, protocol.ROUND, least=1)
    past = _past(sent)
    if past.accepted >= number:
        raise MessageError(
            f"{protocol.LAST_ACCEPTED} is {past.accepted} in round {number}, not an earlier one"
        )
    keep = _text(sent, protocol.KEEP, pattern=ROUNDS)
    mu = sent.get(protocol.PROXIMAL_MU, 0.0)
    if type(mu) not in (int, float) or not 0 <= cast(float, mu) < math.inf:
        raise MessageError(f"{protocol.PROXIMAL_MU} must be a number of 0 or more, got {mu!r}")
    return TrainRequest(
        round=number,
        past=past,
        keep=tuple(int(one) for one in keep.split(",") if one),
        proximal_mu=float(cast(float, mu)),
    )


def evaluate_request(sent: ConfigValues) -> EvaluateRequest:
    """Read the config record of an evaluate message."""
    return EvaluateRequest(
        round=_whole(sent, protocol.ROUND, least=0),
        past=_past(sent),
        stage=cast(Stage, _text(sent, protocol.STAGE, among=STAGES)),
        scorer=_text(sent, protocol.SCORER, among=SCORERS),
        protocols=tuple(_text(sent, protocol.PROTOCOLS).split(",")),
        further=_flag(sent, protocol.FURTHER),
    )


def deleted_token(sent: ConfigValues) -> str | None:
    """The run whose private files a query asks to remove; none if it asks who is there."""
    return token_of(sent) if _flag(sent, protocol.DELETE_STATE) else None


def token_of(sent: ConfigValues) -> str:
    """Token that names the private files of the run."""
    return _text(sent, protocol.TOKEN)


def files_to_check(sent: ConfigValues) -> dict[int, str]:
    """Round -> sha256 of the private files that a query asks for; none if it asks who is there."""
    text = _text(sent, protocol.CHECK) if protocol.CHECK in sent else ""
    pairs = [part.partition(":") for part in text.split(",") if part]
    if not all(round.isdecimal() for round, _, _ in pairs):
        raise MessageError(f"{protocol.CHECK} must read like '3:sha256,5:sha256', got {text!r}")
    return {int(round): digest for round, _, digest in pairs}


def arrays_in(message: Message, record: str) -> NamedArrays:
    """The arrays of a record of a message; nothing is unpickled."""
    found = message.content.array_records.get(record)
    if found is None:
        raise MessageError(f"the message has no record {record!r}")
    arrays = {}
    for name, array in found.items():
        read = array_in(array)
        if read is None:
            raise MessageError(f"{record} {name!r} cannot be read as an array")
        arrays[name] = read
    return arrays


def users_in(message: Message) -> np.ndarray:
    """(n,) int64 numbers of the sampled users of the partition."""
    users = arrays_in(message, protocol.USERS).get(protocol.USERS)
    if users is None or users.dtype != np.int64 or users.ndim != 1:
        raise MessageError(f"{protocol.USERS} must hold the int64 numbers of users")
    return users


def frequency_in(message: Message, num_items: int) -> np.ndarray:
    """(V + 1,) int64: training events per item over all clients."""
    counts = arrays_in(message, protocol.FREQUENCY).get(protocol.FREQUENCY)
    if (
        counts is None
        or counts.dtype != np.int64
        or counts.shape != (num_items + 1,)
        or counts.min() < 0
    ):
        seen = "none" if counts is None else f"{counts.dtype} of shape {counts.shape}"
        raise MessageError(
            f"{protocol.FREQUENCY} must hold {num_items + 1} int64 counts of 0 or more, got {seen}"
        )
    return counts


def _past(sent: ConfigValues) -> PastState:
    accepted = _whole(sent, protocol.LAST_ACCEPTED, least=0)
    private = _text(sent, protocol.PRIVATE, pattern=DIGEST)
    return PastState(token=_text(sent, protocol.TOKEN), accepted=accepted, private_digest=private)


def _whole(sent: ConfigValues, key: str, *, least: int) -> int:
    value = _value(sent, key)
    if type(value) is not int or value < least:
        raise MessageError(f"{key} must be a whole number of {least} or more, got {value!r}")
    return value


def _flag(sent: ConfigValues, key: str) -> bool:
    value = sent.get(key, False)
    if type(value) is not bool:
        raise MessageError(f"{key} must be true or false, got {value!r}")
    return value


def _text(
    sent: ConfigValues,
    key: str,
    *,
    pattern: re.Pattern[str] | None = None,
    among: Collection[str] = (),
) -> str:
    value = _value(sent, key)
    if type(value) is not str or (pattern and not pattern.fullmatch(value)):
        raise MessageError(f"{key} cannot be {value!r}; the server's code differs from this")
    if among and value not in among:
        raise MessageError(f"{key} must be one of {', '.join(among)}, got {value!r}")
    return value


def _value(sent: ConfigValues, key: str) -> object:
    if key not in sent:
        raise MessageError(f"the message lacks {key!r}")
    return sent[key]
