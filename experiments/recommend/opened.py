"""A run opened to recommend: the global model, and each client's where the clients kept theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from clients.private_state import PrivateState, split_state
from experiments.engines.run import see_own_modules
from experiments.resume import run_folder
from fedrec.config.values.choices import names_in
from fedrec.errors import ConfigError, DataError, ResourceError
from fedrec.inference.export import is_export
from fedrec.inference.opening import open_recommender
from fedrec.inference.private import personalised
from fedrec.inference.recommender import ReadyRecommender
from fedrec.models.parameters import NamedArrays
from fedrec.runs.record import Run, load
from server.checkpoints.extension import CLIENT_STATE, KEPT
from server.checkpoints.folder import load_checkpoint

CLIENTS = 8  # clients whose models are held at once


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A run, or an exported model, that recommends.

    Attributes:
        shared: Recommender by the shared parameters.
        is_model: Whether these alone are a model; without private ID embeddings they are none.
        run: The run; None for an exported model.
        of_client: Recommender of the client of a user, None where its private part was never
            trained; or None where there are no private parts to be read.
        why_not: Why there are none; "" where the model has none or they can be read.
    """

    shared: ReadyRecommender
    is_model: bool = True
    run: Run | None = None
    of_client: Callable[[str], ReadyRecommender | None] | None = None
    why_not: str = ""

    def of_user(self, user: str) -> ReadyRecommender | None:
        """The personalised recommender of a user's client; None where there is none."""
        return None if self.of_client is None else self.of_client(user)

    def main(self, user: str | None) -> ReadyRecommender:
        """The recommender of the first list: the global one where it is a model, else the user's.

        Raises:
            ConfigError: There is neither.
        """
        own = None if self.is_model or user is None else self.of_user(user)
        if self.is_model or own is not None:
            return own or self.shared
        raise ConfigError(
            f"model.private = {self.shared.config.model.private!r} stays with each client: "
            + (self.why_not or "give --user, whose client keeps it")
        )


def open_run(given: str | Path, *, trust: bool = False) -> Opened:
    """Open a run, its folder or its name, or the folder of an exported model.

    Raises:
        FedrecError: As for ``fedrec.open_recommender``.
    """
    see_own_modules()
    folder = run_folder(str(given))
    if is_export(folder):
        return Opened(shared=open_recommender(folder, trust=trust))
    run = load(folder)
    shared = open_recommender(run, trust=trust, shared_only=True)
    settings = shared.config.model
    if not names_in(settings.private):
        return Opened(shared=shared, run=run)
    of_client, why_not = _clients(run, shared)
    is_model = settings.is_personalised
    return Opened(shared=shared, is_model=is_model, run=run, of_client=of_client, why_not=why_not)


def _clients(
    run: Run, shared: ReadyRecommender
) -> tuple[Callable[[str], ReadyRecommender | None] | None, str]:
    """Recommender by user, or why there is none."""
    if run.about.get(CLIENT_STATE) != KEPT:
        return None, (
            "the clients deleted their private parameters when the run ended; a run with "
            "run.keep-client-state = true keeps them"
        )
    checkpoint, _ = load_checkpoint(run.folder)
    if checkpoint is None:
        return None, (
            "no checkpoint says which private files belong to the model; a run with "
            "run.checkpoint-every = 1 or more has some"
        )
    token, accepted = checkpoint.about["token"], checkpoint.state.best_accepted
    partitions = _partitions(run)

    @lru_cache(maxsize=CLIENTS)
    def of_partition(partition: int) -> ReadyRecommender | None:
        reply = accepted.get(partition)
        if reply is None or not reply.private:
            return None
        arrays: NamedArrays
        arrays, _ = split_state(PrivateState(token, partition).read(reply.round, reply.private))
        return personalised(shared, arrays)

    def of_user(user: str) -> ReadyRecommender | None:
        shared.numbers(user)  # refuses an unknown one
        partition = partitions.get(shared.dataset.user_ids.index(user))
        return None if partition is None else of_partition(partition)

    try:
        for partition in sorted(set(partitions.values()))[:1]:
            of_partition(partition)
    except ResourceError as error:
        return None, f"the private files are not here: {error}"
    return of_user, ""


def _partitions(run: Run) -> dict[int, int]:
    """User number -> partition, of the users whom the run evaluated."""
    if run.users is None or not {"user", "partition"} <= set(run.users.columns):
        raise DataError(f"{run.folder / 'users.csv'} names no partitions; the file is damaged")
    return dict(zip(run.users["user"].astype(int), run.users["partition"].astype(int), strict=True))
