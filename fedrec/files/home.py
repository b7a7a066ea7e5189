"""Where fedrec keeps what outlives a run: downloads, prepared data, embeddings, run folders."""

import os
from pathlib import Path


def home() -> Path:
    """``$FEDREC_HOME`` or ``~/.fedrec``, absolute because Flower's service runs elsewhere."""
    return Path(os.environ.get("FEDREC_HOME") or Path.home() / ".fedrec").expanduser().absolute()
