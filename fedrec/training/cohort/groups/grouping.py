"""Grouping of users by length for training in one batch, with the least padding."""

from collections.abc import Iterator, Sequence

import numpy as np

from fedrec.training.windows import UserWindows

MAX_GROUP = 512  # users; bounds the copies of the dense weights where histories are short
# What a group costs beside its targets, in targets: calls of small kernels; with weights of each
# user's own or without.
GROUP_COST, SUMMED_COST = 300, 300
# Groups, in full ones, that share a look-up of items; bounds the dropout masks drawn for them.
SUMMED_GROUPS = 4


def groups_by_length(
    windows: Sequence[UserWindows],
    max_length: int,
    max_tokens: int,
    group_cost: int = GROUP_COST,
    most: int = MAX_GROUP,
) -> list[list[UserWindows]]:
    """Group users alike in full windows and rest, so that padding costs least.

    Users are sorted by full windows, rest and number, whatever their order, and cut where
    targets, padding and ``group_cost`` together are fewest.

    Args:
        windows: Windows of the users.
        max_length: L, of a full window.
        group_cost: Cost of each group, in targets.
        max_tokens: Bound on a group's targets, padding included; a user with more is alone.
        most: Bound on a group's users.
    """
    shapes = [divmod(one.num_targets, max_length) for one in windows]
    order = sorted(range(len(windows)), key=lambda place: (shapes[place], windows[place].user))
    full = np.array([shapes[place][0] for place in order])
    rest = np.array([shapes[place][1] for place in order])
    # Cheapest cut of the first n users, for n = 0, 1, ...: a last group behind a cheapest cut.
    cost, begin = np.zeros(len(order) + 1), np.zeros(len(order) + 1, dtype=np.int64)
    for end in range(1, len(order) + 1):
        first = max(0, end - max(1, max_tokens // max(1, full[end - 1] * max_length)))
        first = max(first, end - most)
        longest = full[end - 1] * max_length + np.maximum.accumulate(rest[first:end][::-1])[::-1]
        tokens = longest * np.arange(end - first, 0, -1)
        total = cost[first:end] + tokens + group_cost
        total[:-1][tokens[:-1] > max_tokens] = np.inf
        begin[end] = first + int(total.argmin())
        cost[end] = total.min()
    groups, end = [], len(order)
    while end > 0:
        groups.append([windows[place] for place in order[begin[end] : end]])
        end = int(begin[end])
    return groups[::-1]


def batched_groups(
    groups: Sequence[list[UserWindows]], max_targets: int
) -> Iterator[list[list[UserWindows]]]:
    """Consecutive groups with at most so many targets together, but at least one."""
    some: list[list[UserWindows]] = []
    targets = 0
    for group in groups:
        more = sum(one.num_targets for one in group)
        if some and targets + more > max_targets:
            yield some
            some, targets = [], 0
        some.append(group)
        targets += more
    if some:
        yield some
