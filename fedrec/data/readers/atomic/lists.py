"""Events of RecBole's benchmark files, whose rows hold a history in a list and the next item.

``X.train.inter``, ``X.valid.inter`` and ``X.test.inter`` have columns ``item_id_list:token_seq``
and ``item_id:token``; a history is the whole prefix of a sequence, or its newest items where it is
longer than the lists. UniSRec publishes its data so: Hou et al., KDD 2022;
https://recbole.io/docs/user_guide/config/data_settings.html (benchmark_filename)
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fedrec.data.readers.atomic.table import AtomicTable
from fedrec.errors import DataError

LIST = "item_id_list"
_TIMES = "timestamp_list"

Event = tuple[str, str]  # item, its time or ""


class _Row(NamedTuple):
    """One row: a history, what comes next, and where it stands."""

    history: tuple[Event, ...]
    target: Event
    place: str


def user_column(table: AtomicTable) -> str:
    """The column of the user: ``user_id``, or ``session_id`` where a session is one.

    Raises:
        DataError: There is neither.
    """
    if "user_id" not in table.types and "session_id" in table.types:
        return "session_id"
    table.column("user_id")
    return "user_id"


def unrolled(tables: Sequence[AtomicTable]) -> dict[str, list[str]]:
    """One event a row, from rows of histories: columns user_id, item_id and perhaps timestamp.

    Args:
        tables: The files of one dataset.

    Raises:
        DataError: Rows of a user do not continue each other; names file and line.
    """
    rows: dict[str, list[_Row]] = defaultdict(list)
    for table in tables:
        for user, row in _rows(table):
            rows[user].append(row)
    longest = max(len(row.history) for own in rows.values() for row in own)
    has_times = all("timestamp" in t.types and _TIMES in t.types for t in tables)
    events = [
        (user, *event) for user, own in rows.items() for event in _sequence(user, own, longest)
    ]
    columns = ("user_id", "item_id", "timestamp")[: 3 if has_times else 2]
    return {name: [event[place] for event in events] for place, name in enumerate(columns)}


def _rows(table: AtomicTable) -> Iterator[tuple[str, _Row]]:
    targets, histories = table.column("item_id"), table.column(LIST)
    times = table.fields.get("timestamp", [""] * len(targets))
    lists = table.fields.get(_TIMES)
    users = table.column(user_column(table))
    for number, (user, target, history) in enumerate(zip(users, targets, histories, strict=True)):
        place = f"{table.name}, line {table.lines[number]}"
        items = history.split()
        stamps = [""] * len(items) if lists is None else lists[number].split()
        if len(stamps) != len(items):
            raise DataError(f"{place}: {len(items)} items in {LIST}, {len(stamps)} in {_TIMES}")
        yield (
            user,
            _Row(
                tuple(zip(items, stamps, strict=True)),
                (target, "" if lists is None else times[number]),
                place,
            ),
        )


def _sequence(user: str, rows: list[_Row], longest: int) -> list[Event]:
    """A user's events in order: each row's history is the end of what came before it."""
    after = defaultdict(list)
    for row in reversed(rows):
        after[row.history].append(row)
    reached = {(*row.history, row.target)[-longest:] for row in rows}
    first = [row for row in rows if row.history not in reached] or rows
    found = list(min(first, key=lambda row: len(row.history)).history)
    for _ in rows:
        following = after.get(tuple(found[-longest:]))
        if not following:
            lost = next(row for left in after.values() for row in left)
            raise DataError(
                f"{lost.place}: the history of user {user!r} follows from no other row of that "
                "user; give the events themselves, one a row, as a file .inter without lists"
            )
        found.append(following.pop().target)
    return found
