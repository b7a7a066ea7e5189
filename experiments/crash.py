"""What slips through every check: one line, a log file with the traceback, and where to report it.

It is a bug of ours, and no user reads 40 lines of it; FEDREC_DEBUG=1 shows them.
"""

import datetime
import errno
import importlib.metadata
import os
import platform
import sys
import traceback
from pathlib import Path

from fedrec.errors import ConfigError, ResourceError

EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h: no code that fedrec.errors has

_URLS = ("issues", "bug tracker", "bugs", "tracker", "repository", "source", "homepage")


def crash_line(error: BaseException, command: str) -> tuple[str, int]:
    """The line that ends a command, and its exit code; the traceback goes to a log file.

    Args:
        error: What was raised.
        command: Command as it was typed.
    """
    if isinstance(error, MemoryError):
        return (
            "out of memory; use a smaller model, smaller batches or fewer workers",
            ResourceError.exit_code,
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        place = error.filename or "standard output"
        return f"{place} cannot be written: {error.strerror}", ResourceError.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = os.fsdecode(error.filename or "what was typed")
        shown = name if len(name) < 80 else f"{name[:60]}... of {len(name)} characters"
        return (
            f"{shown!r} is too long for the name of a file; give a shorter one",
            ConfigError.exit_code,
        )
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return f"{error.filename} is a link to itself; give another path", ConfigError.exit_code
    told = " ".join(str(error).split())[:300]
    what = f"{type(error).__name__}{': ' if told else ''}{told}"
    kept = _write_log(error, command)
    with_log = f" with {kept}" if kept else " with what FEDREC_DEBUG=1 shows"
    return f"{what}; this is a bug of fedrec, please report it{with_log} at {tracker()}", EXIT_BUG


def tracker() -> str:
    """Where bugs are reported: the address that the package names, if it names one."""
    try:
        urls = importlib.metadata.metadata("fedrec").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        urls = []
    named = dict(reversed([part.strip() for part in url.split(",", 1)]) for url in urls)
    by_label = {label.lower(): address for address, label in named.items()}
    return next(
        (by_label[name] for name in _URLS if name in by_label), "the project's issue tracker"
    )


def _write_log(error: BaseException, command: str) -> Path | None:
    """Keep the traceback under FEDREC_HOME/logs; None where nothing can be written."""
    from fedrec.files.home import home
    from fedrec.runs.redaction import hide_secrets_in_text
    from fedrec.version import __version__

    now = datetime.datetime.now(datetime.UTC)
    path = home() / "logs" / f"{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    lines = [
        f"fedrec {__version__}, python {platform.python_version()}, {platform.platform()}\n",
        f"{hide_secrets_in_text(command, {})}\n\n",
        *traceback.format_exception(error),
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError):
        return None
    return path


def use_utf8() -> None:
    """Start the command again in Python's UTF-8 mode where the locale is another.

    In the C locale, a title with an umlaut cannot be printed and a path with one not be opened.
    """
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8" and not sys.flags.utf8_mode:
        os.execve(
            sys.executable,
            [sys.executable, *sys.orig_argv[1:]],
            {**os.environ, "PYTHONUTF8": "1"},
        )


def show_any_text() -> None:
    """Print what the terminal's encoding lacks as an escape, instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
