"""Plain text from HTML in product data: entities, tags, style sheets, printed Python lists.

Nothing here is evaluated: a printed list is read as a literal, and only if all it holds is text.
"""

import ast
import html
import re
import warnings
from collections.abc import Iterator

MAX_MARKUP = 40_000  # characters of a text that are looked at; four times what is kept of one
MAX_PRINTED = 1 << 20  # a longer printed list stays as it is

_HIDDEN = re.compile(
    r"<!--.*?(?:-->|$)|<(style|script)\b[^<>]*>.*?(?:</\1\s*>|$)", re.DOTALL | re.IGNORECASE
)
_INLINE = re.compile(r"</?(?:a|b|big|em|font|i|small|span|strong|u)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!(?!--)[^<>]*>")
_JOINT = re.compile(r"""['"], ['"]""")
_SPACE = re.compile(r"\s+")


def plain_text(value: object) -> str:
    """Plain text of a field: a string, a list of strings, or a printed list.

    Lists become their parts with spaces between; comments, style sheets and scripts go with what
    is in them, other tags alone; entities are decoded, also those encoded twice. Plain text comes
    back as it is, so cleaning twice is cleaning once. What is neither text nor a list is "".
    """
    text, before = _joined(value), None
    # Each pass that changes anything but white space makes the text shorter, so this ends.
    while text != before:
        before = text
        text = _plainer(text)
    return text


def _plainer(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        text = _printed(text)
    text = html.unescape(text[:MAX_MARKUP])
    text = _INLINE.sub("", _HIDDEN.sub(" ", text))  # these stand inside words, the others between
    return _SPACE.sub(" ", _TAG.sub(" ", text)).strip()


def _printed(text: str) -> str:
    """The parts of a printed list of strings; any other text as it is."""
    if len(text) > MAX_PRINTED:
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes such as "\d"
            found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        # Some were unescaped once too often: quotes inside a part end it too early.
        is_broken_list = text[1:2] in "'\"" and text[-2:-1] in "'\"" and len(text) > 3
        return _JOINT.sub(" ", text[2:-2]).replace("\\n", " ") if is_broken_list else text
    holds_text = isinstance(found, list) and all(isinstance(part, str) for part in found)
    return _joined(found) if holds_text else text


def _joined(value: object) -> str:
    return " ".join(_strings(value)).strip()


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
