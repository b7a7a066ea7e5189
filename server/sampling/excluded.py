"""Excluded clients, and the reasons that are compared by name."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

DROPPED_OUT = "dropped out (federation.drop-out)"
STRAGGLED = "did not reply in time"
# Excluded without a loss: the same client's other reply was accepted, or none was waited for.
REPLIED_TWICE = "replied twice"
NOT_SAMPLED = "was not sampled in this round"


@dataclass(frozen=True)
class Excluded:
    """A client that is excluded from a round or an evaluation.

    Attributes:
        partition: Number of the partition; -1 for an unknown node.
        reason: Reason in one line.
        exit_code: Exit code of the error that the client reports, 1 for anything else.
        traceback: Traceback of an exception in the client, else empty.
        user: User that is excluded from its partition's reply, where every user is a client; else
            none.
    """

    partition: int
    reason: str
    _: KW_ONLY
    exit_code: int = 1
    traceback: str = ""
    user: int | None = None

    def record(self, doing: str) -> dict[str, Any]:
        """The record in rounds.jsonl or run.json: ``doing`` is train, evaluate or register."""
        who = {} if self.user is None else {"user": self.user}
        return {"partition": self.partition, **who, "reason": self.reason, "while": doing}


def shared_exit_code(excluded: Sequence[Excluded]) -> int:
    """Exit code that all excluded clients report; 1 where they disagree."""
    codes = {one.exit_code for one in excluded}
    return codes.pop() if len(codes) == 1 else 1


def first_reason(excluded: Sequence[Excluded]) -> str:
    """First of the reasons, for a message; a simulated dropout only if there is no other."""
    if not excluded:
        return "none"
    first = next((one for one in excluded if one.reason != DROPPED_OUT), excluded[0])
    if first.user is None:
        return f"partition {first.partition} {first.reason}"
    return f"user {first.user} of partition {first.partition}: {first.reason}"


def num_diverged(excluded: Sequence[Excluded]) -> int:
    """Number of users that were excluded because their training diverged."""
    return sum(one.user is not None and one.reason != DROPPED_OUT for one in excluded)


def costs_a_reply(one: Mapping[str, object]) -> bool:
    """Whether an excluded reply, as rounds.jsonl records it, left the round with one reply less."""
    return one["reason"] not in (REPLIED_TWICE, NOT_SAMPLED)


def is_simulated_dropout(one: Mapping[str, object]) -> bool:
    """Whether an excluded reply, as rounds.jsonl records it, was a simulated dropout."""
    return one["reason"] == DROPPED_OUT
