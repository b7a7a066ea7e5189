"""How models of transformers compute here: one thread, no progress bar."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_quiet_thread() -> Iterator[None]:
    """Run with one thread, for one order of sums, and no progress bar; restore both afterwards."""
    import torch
    from transformers.utils import logging

    threads, bars = torch.get_num_threads(), logging.is_progress_bar_enabled()
    parallel = os.environ.get("TOKENIZERS_PARALLELISM")
    torch.set_num_threads(1)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers' own
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
        if parallel is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = parallel
