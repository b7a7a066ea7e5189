"""Recording of each round: its line of history, the best weights, a checkpoint when due."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

from flwr.serverapp.strategy import Strategy

from fedrec.errors import FedrecError
from server.aggregation.strategy_state import snapshot
from server.checkpoints.folder import KEPT, Checkpoint, save_checkpoint
from server.checkpoints.history import HISTORY, history_sha256
from server.lifecycle.run_folder import RunFolder
from server.lifecycle.signals import uninterrupted
from server.state.server_state import ServerState

OnRound = Callable[[dict[str, Any]], None]


class Recorder:
    """Recorder of rounds, in an order that leaves a run resumable whenever it is killed.

    The checkpoint comes first and holds the round's line: a history that ends before its newest
    checkpoint is completed from it, and lines after the checkpoint are cut off.

    Args:
        folder: Folder of the run.
        strategy: Strategy whose state goes into a checkpoint.
        every: Rounds between checkpoints; 0 for none.
        about: Identity that a resumed run must share with this one, as far as it is known.
        on_round: Callback, called with each line of rounds.jsonl.
        secrets: Name -> text that no checkpoint may hold.
    """

    def __init__(
        self,
        folder: RunFolder,
        strategy: Strategy,
        every: int,
        about: dict[str, Any],
        on_round: OnRound | None,
        secrets: Mapping[str, str],
    ) -> None:
        self.folder, self._strategy, self._every = folder, strategy, every
        self._about, self._on_round, self.secrets = about, on_round, secrets
        self._saved = -1
        self._last: Checkpoint | None = None
        self._has_traceback = False

    def begin(self, about: dict[str, Any], saved: int) -> None:
        """Complete the identity of the run, before its first round.

        Args:
            about: Further identity, for every checkpoint.
            saved: Round of the checkpoint that the run is resumed from, -1 for a new run.
        """
        self._about |= about
        self._saved = saved

    def __call__(self, line: dict[str, Any], state: ServerState, is_last: bool) -> None:
        """Record a round."""
        with uninterrupted():
            start = time.monotonic()
            self.folder.check_in_place()
            if self._every:
                checkpoints = [*state.checkpoints, state.private_rounds()][-KEPT:]
                copied = state.copy()
                copied.checkpoints = checkpoints
                self._last = Checkpoint(
                    line=line,
                    state=copied,
                    strategy=snapshot(self._strategy, self.secrets),
                    about=self._about,
                )
                if is_last or line["round"] % self._every == 0:
                    self.save()
                    state.checkpoints = checkpoints
            line["seconds"]["checkpoint"] = time.monotonic() - start
            line["seconds"]["total"] += line["seconds"]["checkpoint"]
            if line["best"]:
                self.folder.save_weights(state.best)
            self.folder.add_round(line)
            self.log_traceback(state)
        if self._on_round is not None:
            self._on_round(line)

    def log_traceback(self, state: ServerState) -> None:
        """Write the first traceback of a client into run.json and the log, once."""
        if state.traceback and not self._has_traceback:
            self._has_traceback = True
            with contextlib.suppress(FedrecError):  # a full disk ends the run elsewhere
                self.folder.describe(client_traceback=state.traceback)
                self.folder.log(f"the first traceback of a client:\n{state.traceback}")

    def save(self) -> None:
        """Write a checkpoint of the last recorded round, if that is not done yet."""
        if self._last is not None and self._last.line["round"] != self._saved:
            before = {HISTORY: history_sha256(self.folder.path, self._last.round)}
            last = dataclasses.replace(self._last, about=self._last.about | before)
            save_checkpoint(self.folder.path, last)
            self._saved = self._last.line["round"]

    def save_if_possible(self) -> None:
        """Save when the run ends early; an error here must not hide the reason of that."""
        with uninterrupted(), contextlib.suppress(FedrecError):
            self.folder.check_in_place()
            self.save()
