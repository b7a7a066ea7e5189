"""Text from files and users on its way to a terminal or a page."""

import re

# Escape sequences with their parameters (CSI, OSC up to its end, two-byte ones), then every other
# control character, and the marks that turn the direction of the text after them.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]"
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def plain(text: object) -> str:
    """Text that is safe to print: no terminal escape, control character or line break in it."""
    return _CONTROLS.sub(" ", _ESCAPES.sub("", str(text))).strip()
