"""The oracle of the synthetic data: ranking by the true probabilities of the next item."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.data.preparation.store import Dataset
from fedrec.data.sequences import history_mask
from fedrec.data.splits import Stage, history, targets
from fedrec.data.synthetic.world import OWN_TASTE, VERSION, SyntheticSpec, World, make_world
from fedrec.errors import DataError
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores
from fedrec.evaluation.ranking import ranks_of

_BLOCK = 500  # users scored together


def oracle_scores(
    dataset: Dataset, users: NDArray[np.integer], stage: Stage
) -> NDArray[np.float64]:
    """True probability of the next item of each user, (B, V + 1); column 0 is 0.

    No ranking that knows histories and tastes is better on average. Items of the history are to
    be excluded by the caller.

    Args:
        dataset: Synthetic data as ``fedrec.data.preparation.store.prepare`` made them.
        users: (B,) Users of the dataset.
        stage: Stage that decides which event is the next one.

    Raises:
        DataError: The dataset is not the synthetic one.
    """
    world = world_of(dataset)
    items = _original_items(dataset)
    original = np.array([_person(dataset.user_ids[user]) for user in users], dtype=np.int64)
    last = np.array([history(dataset.sequences, int(user), stage)[-1] for user in users])
    scores = np.zeros((len(users), dataset.catalog.num_items + 1))
    scores[:, 1:] = world.probabilities(original, items[last - 1])[:, items]
    return scores


def oracle_ranks(dataset: Dataset, stage: Stage) -> NDArray[np.float64]:
    """Rank of every user's target under the true probabilities, (U,), full ranking.

    Items of the history are no candidates; ties count half.

    Raises:
        DataError: The dataset is not the synthetic one.
    """
    ranks = []
    wanted = targets(dataset.sequences, stage)
    for start in range(0, dataset.sequences.num_users, _BLOCK):
        users = np.arange(start, min(start + _BLOCK, dataset.sequences.num_users))
        scores = oracle_scores(dataset, users, stage)
        histories = [history(dataset.sequences, int(user), stage) for user in users]
        seen = history_mask(histories, dataset.catalog.num_items)
        ranks.append(ranks_of(scores, wanted[users], seen))
    return np.concatenate(ranks)


def oracle_scorer(dataset: Dataset) -> Scorer:
    """Make a scorer of histories from ``oracle_scores``.

    A history is looked up to find whose taste to use; users with equal histories share the mean of
    their tastes, and an unknown history gets the mean over all users.

    Raises:
        DataError: The dataset is not the synthetic one.
    """
    world = world_of(dataset)
    items = _original_items(dataset)
    owners: dict[bytes, list[int]] = {}
    stages: tuple[Stage, ...] = ("validation", "test")
    for user, user_id in enumerate(dataset.user_ids):
        for stage in stages:
            key = history(dataset.sequences, user, stage).tobytes()
            owners.setdefault(key, []).append(_person(user_id))
    everybody = world.liked(np.arange(len(world.tastes))).mean(axis=0)

    def score(histories: Sequence[NDArray[np.int32]], *_: object) -> Scores:
        scores = np.zeros((len(histories), dataset.catalog.num_items + 1))
        for row, seen in enumerate(histories):
            same = owners.get(np.asarray(seen, dtype=np.int32).tobytes())
            liked = everybody if same is None else world.liked(np.array(same)).mean(axis=0)
            scores[row, 1:] = (world.moves[items[seen[-1] - 1]] + OWN_TASTE * liked)[items]
        return Scores(scores, no_gates())

    return score


def _person(user_id: str) -> int:
    """The generator's number of a user: of "u12", or of "u12 2024-01-31", a session of a day."""
    return int(user_id.partition(" ")[0][1:])


def _original_items(dataset: Dataset) -> NDArray[np.int64]:
    """The generator's number of each item of the catalogue, (V,)."""
    return np.array([int(item[1:]) for item in dataset.catalog.item_ids], dtype=np.int64)


def world_of(dataset: Dataset) -> World:
    """The generating process of prepared synthetic data, from its manifest.

    Raises:
        DataError: The data are not synthetic, or of another version of the generator.
    """
    facts = dataset.manifest.get("facts", {})
    if "synthetic" not in facts:
        raise DataError(f"the oracle of {dataset.name!r} is unknown: only synthetic data has one")
    if facts["generator"] != VERSION:
        raise DataError(
            f"{dataset.name} was made by version {facts['generator']} of the generator, "
            f"this is {VERSION}; prepare the data again"
        )
    return make_world(SyntheticSpec(**facts["synthetic"]), seed=facts["seed"])
