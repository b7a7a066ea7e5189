"""A page in the user's browser, where there is one."""

import os
import sys
import webbrowser
from pathlib import Path

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def opened(page: Path) -> bool:
    """Open a page in a browser with a window; False where there is none.

    A Linux machine without a screen may have a browser for the terminal, which would take it over.
    """
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in SCREENS):
        return False
    try:
        return webbrowser.open(page.as_uri())
    except webbrowser.Error:
        return False
