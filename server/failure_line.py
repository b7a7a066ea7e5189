"""One line for an error of ours where Flower would log its traceback."""

import logging
import os

from fedrec.errors import FedrecError


class FailureLine(logging.Filter):
    """Filter of Flower's logger: an error of ours is its message, without the traceback.

    Flower logs whatever ends a ServerApp with twenty lines around the one that says what to do.
    FEDREC_DEBUG=1 keeps them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record of an error of ours; every record is kept."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, FedrecError) and os.environ.get("FEDREC_DEBUG") != "1":
            record.msg, record.args = "%s: %s", (type(error).__name__, error)
            record.exc_info = record.exc_text = None
        return True


_FILTER = FailureLine()


def tell_failures_in_one_line() -> None:
    """Install the filter in this process, once."""
    logging.getLogger("flwr").addFilter(_FILTER)
