"""Validation of what a client declares in its registration: users, counts, training targets."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Message

from fedrec import protocol
from fedrec.errors import MessageError
from fedrec.records import array_in
from server.messages.records import unexpected_records

RECORDS = {protocol.REGISTRATION, protocol.METRICS, protocol.METADATA}
LONGEST_ID = 1024  # bytes of an original user id, as it travels


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """Declaration of one client: the fields of ``Registration``, for one partition."""

    partition: int
    users: np.ndarray
    user_ids: list[str] | None
    targets: int
    user_targets: np.ndarray | None
    counts: np.ndarray | None
    hashes: tuple[str, str]
    views_hash: str


def read_declaration(
    reply: Message, most_targets: int | None, shares_counts: Callable[[int], bool]
) -> Declaration:
    """Read and validate the declaration of a client.

    Args:
        reply: Reply to the first query, of a client that reports success.
        most_targets: Upper bound of a user's training targets in one pass, or none.
        shares_counts: Whether a client of so many users tells counts per item and original ids,
            as ``Federation.shares_counts``.

    Raises:
        MessageError: It lacks a part, or a part cannot be valid whatever the data are.
    """
    try:
        metadata = reply.content.config_records[protocol.METADATA]
        arrays = reply.content.array_records[protocol.REGISTRATION]
        metrics = reply.content.metric_records[protocol.METRICS]
        one = Declaration(
            partition=metadata[protocol.PARTITION],  # type: ignore[arg-type]  # checked below
            users=_array(arrays[protocol.USER_NUMBERS]),
            user_ids=metadata.get(protocol.USER_IDS),  # type: ignore[arg-type]  # as above
            targets=metrics[protocol.NUM_EXAMPLES],  # type: ignore[arg-type]  # as above
            user_targets=_optional(arrays, protocol.USER_TARGETS),
            counts=_optional(arrays, protocol.ITEM_COUNTS),
            hashes=(str(metadata[protocol.DATA_HASH]), str(metadata[protocol.TABLE_HASH])),
            views_hash=str(metadata[protocol.VIEWS_HASH]),
        )
    except (KeyError, TypeError) as error:
        raise unusable(f"{type(error).__name__}: {error}") from None
    if name := next(_invalid(one, most_targets), ""):
        raise unusable(f"{name} cannot be valid")
    if reason := _not_as_configured(one, shares_counts(one.users.size)):
        raise unusable(reason)
    if one.counts is not None and one.targets > one.counts.sum(dtype=object):
        raise unusable(f"it has {one.targets} training targets, fewer events in its counts")
    if reason := unexpected_records(reply.content, RECORDS, LONGEST_ID * one.users.size):
        raise unusable(reason)
    return one


def impossible(
    declared: Mapping[int, tuple[np.ndarray, np.ndarray | None]],
    manifest: Mapping[str, Any],
    num_items: int,
) -> dict[int, str]:
    """Find declarations that the data contradict: partition -> reason.

    The server reads no interaction, but it knows how many users, items and events there are.

    Args:
        declared: Partition -> its users (n,) and its counts (V + 1,), if it has sent them.
        manifest: Manifest of the prepared data.
        num_items: V.
    """
    num_users, num_events = int(manifest["users"]), int(manifest["events"])
    found: dict[int, str] = {}
    for partition, (users, counts) in declared.items():
        if users.size and (last := int(users.max())) >= num_users:
            found[partition] = (
                f"declares user {last}, but the data hold {num_users} users, numbered from 0"
            )
        elif counts is not None and counts.shape != (num_items + 1,):
            found[partition] = (
                f"declares counts of {counts.size - 1} items, but the data hold {num_items}"
            )
        elif counts is not None and counts[0]:
            found[partition] = f"declares {counts[0]} events of item 0, which is padding"
        elif counts is not None and (total := counts.sum(dtype=object)) > num_events:
            found[partition] = (
                f"declares {total} training events, but the data hold {num_events} events"
            )
    return found


def unusable(why: str) -> MessageError:
    """Error of a registration that cannot be used."""
    return MessageError(f"the registration of a SuperNode cannot be used: {why}")


def _invalid(one: Declaration, most_targets: int | None) -> Iterator[str]:
    """Invalid parts of a declaration; later checks may rely on earlier ones."""
    if type(one.partition) is not int:
        yield "its partition"
    if not _are_counts(one.users) or len(np.unique(one.users)) != one.users.size:
        yield "its users"
    ids = one.user_ids
    if ids is not None and (
        not isinstance(ids, list) or [type(user) for user in ids] != [str] * one.users.size
    ):
        yield "its users' ids"
    if one.counts is not None and not _are_counts(one.counts):
        yield "its counts"
    # They are the weight of its update in every mean.
    most = math.inf if most_targets is None else one.users.size * most_targets
    if type(one.targets) is not int or not 0 <= one.targets <= most:
        yield "its training targets"
    each, longest = one.user_targets, math.inf if most_targets is None else most_targets
    if each is not None and not (
        _are_counts(each)
        and each.size == one.users.size
        and each.sum(dtype=object) == one.targets  # in 64 bits, 2^62 four times are none
        and (each <= longest).all()
    ):
        yield "its users' training targets"


def _not_as_configured(one: Declaration, is_shared: bool) -> str:
    """What a client sends though it must not, or the other way; "" if it does as configured."""
    sent = {"counts per item": one.counts, "original ids of users": one.user_ids}
    wrong = " and ".join(name for name, found in sent.items() if (found is not None) != is_shared)
    if not wrong:
        return ""
    told = "does not send" if is_shared else "sends"
    must = "has to" if is_shared else "must not"
    return (
        f"it {told} {wrong}, which a client of {one.users.size} users {must} by "
        "federation.share-counts and federation.share-counts-min-users"
    )


def _optional(arrays: ArrayRecord, name: str) -> np.ndarray | None:
    return _array(arrays[name]) if name in arrays else None


def _array(sent: Array) -> np.ndarray:
    found = array_in(sent)
    if found is None:
        raise TypeError("an array that cannot be read")
    return found


def _are_counts(array: np.ndarray) -> bool:
    """Whether an array holds integers of 0 or more in one dimension."""
    return array.ndim == 1 and array.dtype.kind == "i" and bool((array >= 0).all())
