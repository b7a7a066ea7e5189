"""Readings of a line that should be a title: without list number, marks, genres, explanation.

Readings come in groups, from the line as it stands to what is left when more is cut off. Nothing
is cut that could be a subtitle: "Alien - Resurrection" is never read as "Alien".
"""

import re
from collections.abc import Iterable, Iterator

from fedrec.semantics.texts import clean

MAX_LINE = 400  # characters that are read of a line
_USUAL_GENRES = (
    *("Action", "Adventure", "Animation", "Anime", "Biography", "Children", "Children's", "Comedy"),
    *("Crime", "Documentary", "Drama", "Family", "Fantasy", "Film-Noir", "History", "Horror"),
    *("Music", "Musical", "Mystery", "Romance", "Romantic Comedy", "Science Fiction", "Sci-Fi"),
    *("Sport", "Sports", "Suspense", "Thriller", "War", "Western"),
)
_BULLET = re.compile(r"^(?:[-*+\u2022\u2013\u2014]|#+|>+)\s+")
_NUMBER = re.compile(
    r"^(?:\(\d{1,2}\)|\[\d{1,3}\]|#?\d{1,3}[.)\]]+)(?:\s+|(?=[^\W\d]|[*\"'\u201c]))"
)
_LABEL = re.compile(
    r"^(?:(?:movie|film|title|name|recommendation|suggestion|answer)s?\s*(?:no\.?\s*)?#?\d{0,3}"
    r"\s*(?:\(year\))?\s*:)\s*",
    re.IGNORECASE,
)
_MARKS = {"**": "**", "__": "__", "*": "*", '"': '"', "\u201c": "\u201d", "\u00ab": "\u00bb",
          "'": "'", "\u2018": "\u2019", "`": "`", "_": "_"}  # fmt: skip
_YEAR = re.compile(r"[(\[]\s*(?P<year>(?:18[89]|19\d|20[0-3])\d)\b[^()\[\]]*[)\]]")
_OPENERS = (
    r"because|since|as (?:you|it|the)|this|it(?:'s| is|s)?\b|you|your|if you|similar to|like |"
    r"based on|recommended|for (?:fans|its|those)|another|which|also|directed by|starring|"
    r"(?:an?|the) (?:\S+ ){0,4}(?:film|movie|story|tale|comedy|drama|thriller|classic|sequel|"
    r"adventure|romance|mystery|western|musical)\b"
)
_EXPLAINED = re.compile(
    rf"^(?P<name>.+?)\s*(?:\s[-\u2013\u2014]+\s|[:;]\s|\.\s)\s*(?P<told>(?:{_OPENERS}).*\s.*)$",
    re.IGNORECASE,
)
_DASHES = "-\u2013\u2014"


class LineReader:
    """Reads lines with the genres of a catalogue.

    Args:
        genres: Names of the genres.
    """

    def __init__(self, genres: Iterable[str] = ()) -> None:
        names = sorted({*_USUAL_GENRES, *filter(None, map(clean, genres))}, key=len, reverse=True)
        one = f"(?:{'|'.join(map(re.escape, names))})"
        self._genre_tail = re.compile(
            rf"^(?P<name>.*?\S)\s*(?:[{_DASHES}|,(\[]|genres?\s*:)+\s*(?:genres?\s*:\s*)?"
            rf"{one}(?:\s*(?:[,|/&;]|\band\b)+\s*{one})*\s*[)\]]?[.;,]?$",
            re.IGNORECASE,
        )

    def groups(self, line: str) -> Iterator[list[str]]:
        """Groups of readings; a later one counts only where those before it are no title."""
        line = bare_line(line)
        starts = list(dict.fromkeys([line, without_number(line)]))
        yield list(dict.fromkeys(text for start in starts for text in (start, _unmarked(start))))
        starts = [bare_line(start) for start in starts]
        for step in (_leading_marked, _up_to_year, self._without_genres, _without_explanation):
            found = [text for start in starts if (text := step(start))]
            if found:
                yield found
        both = [_without_explanation(text) for start in starts
                if (text := self._without_genres(start))]  # fmt: skip
        if any(both):
            yield list(filter(None, both))

    def _without_genres(self, text: str) -> str:
        match = self._genre_tail.match(text)
        return _unmarked(match["name"]) if match else ""


def bare_line(line: str) -> str:
    """One line without bullet, heading mark or label such as "Movie 1:"."""
    line, before = clean(line[: 4 * MAX_LINE])[:MAX_LINE], ""
    while line != before:
        before = line
        line = _LABEL.sub("", _BULLET.sub("", line)).strip()
    return line


def without_number(line: str) -> str:
    """A line without the number of a list in front of it, also within bold marks."""
    for mark in ("**", "__"):
        inner = line.removeprefix(mark)
        if inner != line and _NUMBER.match(inner):
            number = _NUMBER.sub("", inner)
            return bare_line(
                number.removeprefix(mark) if number.startswith(mark) else mark + number
            )
    return bare_line(_NUMBER.sub("", line))


def is_listed(line: str) -> bool:
    """Whether a line begins with a bullet or the number of a list."""
    line = line.strip()
    return bool(_BULLET.match(line)) or without_number(line) != bare_line(line)


def _unmarked(text: str) -> str:
    """Text without marks around all of it, and without punctuation behind it."""
    before = ""
    while text != before:
        before = text
        text = text.strip().rstrip(",;").strip()
        for left, right in _MARKS.items():
            closed = text.startswith(left) and text.endswith(right)
            if closed and len(text) > len(left) + len(right):
                text = text[len(left) : len(text) - len(right)]
    return text


def _leading_marked(text: str) -> str:
    """What is bold or quoted at the beginning, with a year that follows; "" if nothing is.

    A name that goes on behind a quoted word is no quoted name.
    """
    for left, right in _MARKS.items():
        end = text.find(right, len(left) + 1) if text.startswith(left) else -1
        if end < 0:
            continue
        inner, rest = text[len(left) : end], text[end + len(right) :].strip()
        year = _YEAR.match(rest)
        if year:
            return f"{_unmarked(without_number(inner))} ({year['year']})"
        # Bold ends where the name does; a quotation before a colon may be a part of it.
        is_bold = left == "**" and (rest[:1] == ":" or rest[:1].islower())
        if not rest or rest[0] in f"{_DASHES};,.|(" or is_bold:
            return _unmarked(without_number(inner))
    return ""


def _up_to_year(text: str) -> str:
    """The beginning up to the first year in parentheses; "" where there is none."""
    match = _YEAR.search(text)
    if match is None or not match.start():
        return ""
    name = text[: match.start()].strip()
    for left, right in _MARKS.items():  # marks that open in the name and close behind the year
        if name.startswith(left) and right not in name[len(left) :]:
            name = name.removeprefix(left)
    return f"{_unmarked(name)} ({match['year']})"


def _without_explanation(text: str) -> str:
    """The part before an explanation; "" where there is none.

    Only what opens like one is cut: any other text behind a dash or a colon may be a subtitle.
    """
    match = _EXPLAINED.match(text)
    return _unmarked(match["name"]) if match else ""
