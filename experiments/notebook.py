"""A progress bar of rounds in a notebook; a script and a terminal command show none of it."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

OnRound = Callable[[dict[str, Any]], None]


def is_notebook() -> bool:
    """Whether this is a cell of Jupyter, Colab or the like."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config


@contextlib.contextmanager
def shown_rounds(on_round: OnRound | None, name: str, total: int) -> Iterator[OnRound]:
    """The callback of a run: the user's own, or a bar in a notebook, or none.

    Args:
        on_round: The user's callback, None for a bar.
        name: What stands before the bar.
        total: Number of rounds.
    """
    if on_round is not None:
        yield on_round
        return
    if not is_notebook():
        yield lambda line: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=name, unit="round") as bar:

        def add(line: dict[str, Any]) -> None:
            found = (line.get("validation") or {}).get("NDCG@10")
            shown = {"loss": line.get("train_loss"), "NDCG@10": found}
            told = {key: f"{value:.4f}" for key, value in shown.items() if value is not None}
            bar.set_postfix(told, refresh=False)
            bar.update(line["round"] - bar.n)

        yield add
