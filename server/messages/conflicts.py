"""Registrations that contradict each other: who is left out, where it can be known who lies.

The server reads no data, so that it can only compare. What more than half of the clients say is
held true; of two clients that claim the same thing, neither can be believed.
"""

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from fedrec.errors import ConfigError, DataError, FedrecError, MessageError
from server.messages.declarations import Declaration

DIFFERENT_DATA = (
    "the SuperNodes hold different data or semantic embeddings; prepare them once for all"
)
_ALIKE = (
    "a view's function or file, lora.base, and parameters of your own model that are not trained "
    "must be the same everywhere"
)
DIFFERENT_VIEWS = f"views or frozen weights are different arrays on the SuperNodes; {_ALIKE}"
OTHER_INPUTS = (
    f"views or frozen weights are other arrays on the clients than on the server; {_ALIKE}"
)

SOME_TARGETS = "only some of the SuperNodes declare how many training targets each user has"


def contradicting(declared: Mapping[int, Declaration]) -> dict[int, FedrecError]:
    """Find clients that contradict the others: partition -> error that says why.

    Args:
        declared: Partition -> its declaration.

    Raises:
        FedrecError: It cannot be known who is right: no more than half of the clients agree.
    """
    found = _minority(declared, lambda one: one.hashes, DataError(DIFFERENT_DATA))
    rest = {p: one for p, one in declared.items() if p not in found}
    found |= _minority(rest, lambda one: one.views_hash, ConfigError(DIFFERENT_VIEWS))
    rest = {p: one for p, one in rest.items() if p not in found}
    found |= _minority(rest, lambda one: one.user_targets is None, MessageError(SOME_TARGETS))
    rest = {p: one for p, one in rest.items() if p not in found}
    return found | _same_users(rest)


def _minority(
    declared: Mapping[int, Declaration], said: Callable[[Declaration], object], error: FedrecError
) -> dict[int, FedrecError]:
    """Clients that say something else than more than half of all."""
    votes = Counter(said(one) for one in declared.values())
    if len(votes) <= 1:
        return {}
    [(common, number)] = votes.most_common(1)
    if 2 * number <= len(declared):
        raise error
    differs = type(error)(f"its data are not those of {number} other clients: {error}")
    return {p: differs for p, one in declared.items() if said(one) != common}


def _same_users(declared: Mapping[int, Declaration]) -> dict[int, FedrecError]:
    """Clients that claim a user whom another one claims.

    Who is in conflict with several others, none of which is in conflict with a third, is left out
    alone. Of any other two, both are.
    """
    partitions = np.concatenate(
        [np.full(one.users.size, p) for p, one in declared.items()] or [np.zeros(0, dtype=int)]
    )
    users = np.concatenate([one.users for one in declared.values()] or [np.zeros(0, dtype=int)])
    order = np.argsort(users, kind="stable")
    users, partitions = users[order], partitions[order]
    opponents: dict[int, dict[int, int]] = {}
    for place in np.flatnonzero(users[1:] == users[:-1]):
        start = int(np.searchsorted(users, users[place]))
        for one in partitions[start : place + 1].tolist():
            other = int(partitions[place + 1])
            opponents.setdefault(one, {}).setdefault(other, int(users[place]))
            opponents.setdefault(other, {}).setdefault(one, int(users[place]))
    return {
        p: DataError(
            "two partitions hold the same user: "
            f"{min(against.values())} is declared by partitions {p} and {min(against)}"
        )
        for p, against in sorted(opponents.items())
        if not any(_lies_alone(other, opponents) for other in against) or _lies_alone(p, opponents)
    }


def _lies_alone(partition: int, opponents: Mapping[int, Mapping[int, int]]) -> bool:
    """Whether a client is in conflict with several others that are in conflict with it alone."""
    others = opponents[partition]
    return len(others) > 1 and all(len(opponents[other]) == 1 for other in others)
