"""Columns by their usual names, where the user names none."""

import re
from collections.abc import Collection, Mapping, Sequence

from fedrec.errors import DataError

# Role -> names of the first choice, then those of the second; small letters and digits alone.
# Two columns of one choice are told apart by nobody but the user.
_USUAL: dict[str, tuple[str, ...]] = {
    "user": (
        "user userid uid userno usernumber customer customerid client clientid visitor visitorid "
        "member memberid reviewer reviewerid buyer buyerid account accountid person personid "
        "player playerid listener listenerid reader readerid viewer viewerid profileid",
        "username login session sessionid device deviceid",
    ),
    "item": (
        "item itemid iid itemno movie movieid film filmid product productid productno productcode "
        "asin parentasin sku article articleid book bookid isbn song songid track trackid video "
        "videoid game gameid app appid business businessid recipe recipeid news newsid anime "
        "animeid course courseid venue venueid poi poiid listingid hotelid restaurantid stockcode "
        "contentid offerid",
        "artist artistid place placeid",
    ),
    "time": (
        "time timestamp ts datetime date when unixtime unixtimestamp unixreviewtime epoch "
        "eventtime eventdate eventtimestamp createdat createdon clicktime ratedat viewedat "
        "purchasedat purchasedate orderdate orderedat invoicedate interactiontime",
    ),
    "rating": ("rating ratings score stars overall grade",),
    "title": (
        "title name itemname itemtitle productname producttitle movietitle moviename booktitle "
        "articletitle songtitle trackname tracktitle headline",
    ),
    "genres": ("genres genre category categories",),
    "description": ("description itemdescription productdescription",),
}
REQUIRED = ("user", "item", "time")
GUESSED = "columns by their usual "  # how the note on them begins

_NO_LETTER = re.compile(r"[^a-z0-9]")


def usual_examples(key: str) -> str:
    """Some usual names of the column that a key such as "user-column" names."""
    shown = {"user-column": "user_id, userId, customer", "item-column": "item_id, movieId, product"}
    return shown.get(key, "timestamp, ts, date")


def find_usual(
    role: str, seen: Sequence[str], *, taken: Collection[str], table: str, key: str = ""
) -> str:
    """The column with a usual name of a role; "" where there is none.

    Args:
        role: user, item, time, rating, title, genres or description.
        seen: Names of the columns.
        taken: Columns that are something else.
        table: Name of the table, for the message.
        key: Key that names the column, for the message; ``data.<role>-column`` by default.

    Raises:
        DataError: Several columns may be meant.
    """
    for choice in _USUAL[role]:
        names = choice.split()
        found = [name for name in seen if name not in taken and _plain(name) in names]
        if len(found) > 1:
            raise DataError(
                f"{table}: several columns may hold the {role} ({', '.join(found)}); set "
                f"data.{key or f'{role}-column'} to the one that is meant"
            )
        if found:
            return found[0]
    return ""


def find_required(
    asked: Mapping[str, str], seen: Sequence[str], *, taken: Collection[str], table: str
) -> dict[str, str]:
    """Role -> column with a usual name, for user, item and time that have no column as named.

    Args:
        asked: Role -> name of the column that is asked for; the role's own name is the default.
        seen: Names of the columns.
        taken: Columns that are something else.
        table: Name of the table, for the message.

    Raises:
        DataError: Several columns may be meant.
    """
    found: dict[str, str] = {}
    held = {name for name in asked.values() if name in seen} | set(taken)
    for role in REQUIRED:
        name = asked[role]
        if name == role and name not in seen:
            usual = find_usual(role, seen, taken=held | set(found.values()), table=table)
            found |= {role: usual} if usual else {}
    return found


def told(found: Mapping[str, str]) -> str:
    """The note on columns that were found by their usual names, or numbers by their order."""
    columns = ", ".join(f"{role} is {column!r}" for role, column in found.items())
    return f"{GUESSED}{found_by(next(iter(found.values())))}s: {columns}"


def found_by(column: str) -> str:
    """What a column was found by: its name, or its place in a file without a header line."""
    return "place" if column.isdecimal() else "name"


def _plain(name: str) -> str:
    return _NO_LETTER.sub("", name.casefold())
