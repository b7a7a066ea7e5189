"""The leave-one-out negatives that NCF published for MovieLens 1M, 99 for every user.

He et al., WWW 2017; NeuMF, FedNCF and PFedRec are evaluated on them. The files count from 0:
user = UserID - 1, item = place of the MovieID's first appearance in ``ratings.dat``. Their test
item is one with the user's latest timestamp, for 27.6 % of the users not the last in the stable
order that fedrec uses. For 156 users one of the 99 is the user's own test item, which NCF's code
then ranks once; all other negatives lie outside the user's whole history.
"""

import os
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import DataError

_NAME = "ml-1m.test.negative"
_PAIR = re.compile(r"\((\d+),(\d+)\)")


@dataclass(frozen=True)
class FixedNegatives:
    """NCF's file: original user id to test item and negatives, in NCF's item numbers."""

    test_items: dict[str, int]
    negatives: dict[str, NDArray[np.int64]]


def read_ncf(path: Path) -> FixedNegatives:
    """Read NCF's test items and negatives.

    Args:
        path: ``ml-1m.test.negative``, a folder that holds it, or a tar archive with it.

    Returns:
        Both by original MovieLens user id ("1" is NCF's user 0).

    Raises:
        DataError: No such file, or a line that is not "(user,item)" and 99 item numbers.
    """
    tests, negatives = {}, {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        first, *rest = line.split()
        pair = _PAIR.fullmatch(first)
        if pair is None or len(rest) != 99 or not all(field.isdecimal() for field in rest):
            raise DataError(
                f'{path} line {number}: expected "(user,item)" and 99 item numbers, '
                f"got {line[:40]!r} with {len(rest)} further fields"
            )
        user = str(int(pair[1]) + 1)
        tests[user] = int(pair[2])
        negatives[user] = np.array(rest, dtype=np.int64)
    return FixedNegatives(tests, negatives)


def item_order(item_ids: Iterable[str]) -> list[str]:
    """Original item id of each of NCF's numbers: the order of first appearance.

    Args:
        item_ids: Original item id of every rating, in the order of ``ratings.dat``.
    """
    return list(dict.fromkeys(item_ids))


def ncf_candidates(
    fixed: FixedNegatives,
    *,
    user_ids: Sequence[str],
    targets: NDArray[np.integer],
    order: Sequence[str],
    item_numbers: Mapping[str, int],
) -> NDArray[np.int64]:
    """Candidates of protocol "ncf-99": our own targets with NCF's negatives.

    They fit our targets although NCF broke ties of time otherwise: but for NCF's own test items,
    which are taken out, the negatives lie outside the whole history.

    Args:
        fixed: What `read_ncf` gives.
        user_ids: U original ids of the users to evaluate.
        targets: (U,) Our held-out items, 1..V.
        order: What `item_order` gives for ``ratings.dat``.
        item_numbers: Original item id to our number 1..V.

    Returns:
        (U, 100) items, the target first; 0 where NCF's negative was its own test item, to be
        given as excluded to `fedrec.evaluation.ranking.candidate_ranks`.

    Raises:
        DataError: A user or item of NCF's that our data lacks (rare items were dropped).
    """
    ours = np.array([item_numbers.get(item, 0) for item in order], dtype=np.int64)
    absent = [user for user in user_ids if user not in fixed.negatives]
    if absent:
        raise DataError(f"NCF's file lacks {len(absent)} of the users, the first is {absent[0]!r}")
    numbers = np.stack([fixed.negatives[user] for user in user_ids])
    if numbers.max() >= len(ours):
        raise DataError(
            f"NCF's file names item {numbers.max()}, but the ratings hold {len(ours)} items; "
            "it belongs to MovieLens 1M"
        )
    drawn = np.column_stack([targets, ours[numbers]]).astype(np.int64)
    unknown = drawn[:, 1:] == 0
    if np.any(unknown):
        lost = len(np.unique(numbers[unknown]))
        raise DataError(
            f"{lost} of NCF's negative items are not in the prepared data; "
            "prepare it with data.min-item-events = 1"
        )
    own = np.array([fixed.test_items[user] for user in user_ids])
    drawn[:, 1:][numbers == own[:, None]] = 0
    return drawn


def _text(path: Path) -> str:
    file = path / _NAME if os.path.isdir(path) else path
    if not os.path.isfile(file):  # False for a name that is too long
        raise DataError(f"{file} is not there; expected NCF's {_NAME} or an archive with it")
    if not tarfile.is_tarfile(file):
        return file.read_text(encoding="utf-8")
    with tarfile.open(file) as archive:
        for member in archive:
            if member.isfile() and Path(member.name).name == _NAME:
                stream = archive.extractfile(member)
                if stream is not None:
                    return stream.read().decode("utf-8")
    raise DataError(f"{file} holds no {_NAME}")
