"""Several sources of data in one value of ``data.source``: ``"beauty.tar.xz + office.tar.xz"``.

The spaces are part of the sign: a plus alone may stand in a path.
"""

SEPARATOR = " + "


def sources_in(source: str) -> tuple[str, ...]:
    """The sources that a value of ``data.source`` joins, usually one; "" where one is missing."""
    # A plus at either end joins, too: spaces around a value are lost on the way here.
    return tuple(part.strip() for part in f" {source} ".split(SEPARATOR))
