"""Partitions: every user belongs to exactly one of `count` partitions.

``partition.by`` names a rule of ``fedrec.data.partitions.rules``, an attribute of the users, or a
function of the user's own as "package.module:name". That takes the facts, the number of partitions
and a random stream, and returns the partition of each user:

    def newest_item(facts, count, rng):
        last = facts.sequences.items[facts.sequences.offsets[1:] - 1]
        return last % count
"""

import numpy as np
from numpy.typing import NDArray

from fedrec.config.failures import user_code_failures
from fedrec.config.values.import_strings import IMPORT_STRING, import_callable
from fedrec.data.partitions.rules import (
    RULES,
    Assignment,
    PartitionFacts,
    by_attribute,
    dominant_of,
)
from fedrec.errors import ConfigError
from fedrec.randomness import generator


def assign(by: str, count: int, facts: PartitionFacts) -> Assignment:
    """Assign every user to a partition; none stays empty, equal arguments give equal results.

    Args:
        by: Name of a rule of ``RULES`` ("uniform", "taste", ...), "each" (a partition per
            user), a user attribute such as "gender", or "package.module:name".
        count: Number of partitions; 0 with "each" means as many as users.
        facts: What the rule may look at.

    Returns:
        (U,) partition numbers 0..count-1.

    Raises:
        ConfigError: More partitions than users or than groups, a bad alpha, an attribute or
            genres that the data lacks, or a function that gives no such numbers.
        DataError: An attribute without a value for every user.
    """
    users = facts.num_users
    if by == "each":
        return _each(count, users)
    if not 1 <= count <= users:
        raise ConfigError(
            f"partition.count is {count}, but {users} users can fill 1 to {users} partitions; "
            "change partition.count (and the number of SuperNodes)"
        )
    if by in RULES:
        return RULES[by](facts, count)
    if IMPORT_STRING.fullmatch(by) and by not in facts.attributes:
        return _by_function(by, facts, count)
    return by_attribute(by, facts, count)


def most_partitions(by: str, facts: PartitionFacts) -> int:
    """Partitions that a rule can fill: the users, or the groups of a rule that keeps them whole.

    Raises:
        ConfigError: the rule needs what the data lacks.
    """
    if by in facts.attributes:
        return len(set(facts.attributes[by]))
    if by == "genre":
        return len(np.unique(dominant_of("genre", facts)))
    return facts.num_users


def users_of(assignment: Assignment, partition: int) -> NDArray[np.int64]:
    """Global numbers of the users of one partition, ascending.

    Raises:
        ConfigError: The partition number is out of range.
    """
    count = int(assignment.max()) + 1
    if not 0 <= partition < count:
        raise ConfigError(
            f"partition {partition} does not exist, there are {count} (0 to {count - 1}); "
            "partition.count must equal the number of SuperNodes"
        )
    return np.flatnonzero(assignment == partition)


def _each(count: int, users: int) -> Assignment:
    if count not in (0, users):
        raise ConfigError(
            f'partition.count is {count}, but partition.by = "each" gives one partition to each '
            f"of {users} users; set partition.count to {users}"
        )
    return np.arange(users, dtype=np.int32)


def _by_function(name: str, facts: PartitionFacts, count: int) -> Assignment:
    """Partitions (U,) by a function of the user's own, checked."""
    function = import_callable("partition.by", name)
    rng = generator(facts.seed, "partition", name)
    with user_code_failures(f"partition.by {name!r} failed on {facts.num_users} users"):
        returned = np.asarray(function(facts, count, rng))
    if returned.shape != (facts.num_users,) or returned.dtype.kind not in "iu":
        raise ConfigError(
            f"partition.by {name!r} must return a whole number for each of {facts.num_users} "
            f"users, got {returned.dtype} of shape {returned.shape}"
        )
    if returned.min() < 0 or returned.max() >= count:
        raise ConfigError(
            f"partition.by {name!r} must return numbers from 0 to {count - 1} (partition.count - "
            f"1), got {returned.min()} to {returned.max()}"
        )
    empty = np.flatnonzero(np.bincount(returned, minlength=count) == 0)
    if len(empty):
        raise ConfigError(
            f"partition.by {name!r} leaves {len(empty)} of {count} partitions empty, the first is "
            f"{empty[0]}; lower partition.count or change the function"
        )
    return returned.astype(np.int32)
