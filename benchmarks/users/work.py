"""The work that every system is given: data, model, users of a turn, and a user's local steps.

SASRec with 2 blocks, 1 head, width 64, length 50 and a trained item table; BCE with one sampled
negative per position; every user a client, which takes 3 local SGD steps over all of its windows
from the global weights. The mean of the updates is weighted by the users' targets. Imports only
torch, numpy and what of fedrec needs no more, so that other environments can read it, too.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fedrec.config.sections.model import Model
from fedrec.data.preparation.store import open_dataset
from fedrec.data.sequences import history_mask
from fedrec.data.splits import training_part
from fedrec.factory.build_model import build_model
from fedrec.models.losses import binary_losses
from fedrec.models.recommender import Recommender
from fedrec.randomness import generator
from fedrec.training.batches import MIN_TRAINING_EVENTS, pad_rows
from fedrec.training.negatives import sampled_negatives
from fedrec.training.windows import windows_of

RATE = 0.05  # of the local steps
WARM_UP = 50  # users of turn 0
Totals = dict[str, Tensor]  # parameter name -> sum over users of targets times update


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What says which work it is; travels to other processes as JSON.

    Attributes:
        folder: Folder of the prepared data.
        clients: Users of a turn.
        device: "cpu" or "cuda".
        steps: Local steps of a user.
        length: L, of a window.
        hidden: Width of the feed-forward layers.
        group_tokens: Targets of a group of the cohort engine.
    """

    folder: str
    clients: int
    device: str = "cpu"
    steps: int = 3
    length: int = 50
    hidden: int = 64
    group_tokens: int = 4096

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Work:
    """Data and model of some facts; opened once per process."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        dataset = open_dataset(Path(facts.folder))
        self.training = training_part(dataset.sequences)
        self.num_items = dataset.catalog.num_items
        self.trainable = np.flatnonzero(self.training.lengths() >= MIN_TRAINING_EVENTS)
        settings = Model(
            name="sasrec", max_length=facts.length, hidden=facts.hidden, identity_start="random"
        )
        self.model: Recommender = build_model(
            settings,
            num_items=self.num_items,
            semantic=None,
            content=np.zeros((self.num_items + 1, 0), dtype=np.float32),
            frequency=np.zeros(self.num_items + 1),
            seed=0,
        )
        self.device = torch.device(facts.device)
        self.model.to(self.device)

    @property
    def most_users(self) -> int:
        """Users of a turn that counts."""
        return min(self.facts.clients, len(self.trainable))

    def users(self, turn: int) -> list[int]:
        """The users of a turn, most targets first: every second one is then half of the work."""
        count = min(self.facts.clients if turn else WARM_UP, self.most_users)
        chosen = generator(0, "select", turn).choice(self.trainable, count, replace=False)
        return sorted(chosen.tolist(), key=lambda user: (-self.targets(user), user))

    def tokens(self, turn: int) -> int:
        """Targets that go forward and back in a turn, all steps counted."""
        return self.facts.steps * sum(self.targets(user) for user in self.users(turn))

    def rows(self, user: int) -> list[np.ndarray]:
        """The user's windows, each with one item more than targets."""
        history = self.training.of(user)
        cut = windows_of(user, history, self.facts.length, 0)
        pairs = zip(cut.starts, cut.lengths, strict=True)
        return [history[start : start + length + 1] for start, length in pairs]

    def targets(self, user: int) -> int:
        """Targets of one pass over the user's windows."""
        return len(self.training.of(user)) - 1

    def seen(self, user: int) -> np.ndarray:
        """(1, V + 1) which items the user has."""
        return history_mask([self.training.of(user)], self.num_items)

    def negatives(self, user: int, seen: np.ndarray, turn: int, step: int) -> np.ndarray:
        """(M,) a negative for each target of a step; what the cohort engine draws, too."""
        stream = generator(0, "negatives", turn, step, user)
        return sampled_negatives(stream, seen, self.targets(user), 1).ravel()


@lru_cache(maxsize=1)
def opened(facts: str) -> Work:
    """The work of facts in JSON, once per process."""
    return Work(Facts(**json.loads(facts)))


@dataclass(frozen=True)
class Reading:
    """Windows as a step reads them: only the rows of the table that it needs are looked up.

    Attributes:
        items: (R,) Numbers of the needed rows.
        places: (B, L) Rows that are read, padded on the right.
        lengths: (B,) Real positions.
        real: (B, L) Whether there is a target.
        targets: (M,) Rows that followed.
        negatives: (M,) Rows drawn for them.
    """

    items: Tensor
    places: Tensor
    lengths: Tensor
    real: Tensor
    targets: Tensor
    negatives: Tensor


def reading(
    rows: Sequence[np.ndarray], negatives: np.ndarray, device: torch.device | str = "cpu"
) -> Reading:
    """Lay windows out for one step."""
    batch = pad_rows(rows)
    items, real = batch["items"], batch["targets"] > 0
    needed, places = np.unique(
        np.concatenate([items.ravel(), batch["targets"][real], negatives]), return_inverse=True
    )
    read, targets, drawn = np.split(places, [items.size, items.size + len(negatives)])
    arrays = (needed, read.reshape(items.shape), batch["lengths"], real, targets, drawn)
    return Reading(*(torch.from_numpy(array).to(device) for array in arrays))


def mean_loss(model: Recommender, one: Reading) -> Tensor:
    """Mean BCE over the targets of a step."""
    table = model.look_up(one.items)
    states, _ = model.encode(table, one.places, one.lengths)
    vectors = model.output_vectors(table)
    return binary_losses(
        states[one.real],
        vectors.index_select(0, one.targets),
        vectors.index_select(0, one.negatives).unsqueeze(1),
    ).mean()


def train_user(work: Work, model: Recommender, user: int, turn: int) -> None:
    """The local steps of one user, as one would write them with torch.optim."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    rows, seen = work.rows(user), work.seen(user)
    for step in range(work.facts.steps):
        drawn = work.negatives(user, seen, turn, step)
        optimizer.zero_grad()
        mean_loss(model, reading(rows, drawn, work.device)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def fresh(work: Work) -> Recommender:
    """A copy of the global model."""
    return copy.deepcopy(work.model)


def norm_of(totals: Totals, weight: float) -> float:
    """Norm of the mean update: equal for all systems that did the same work."""
    parts = [(total.double() / weight).square().sum().item() for total in totals.values()]
    return float(np.sqrt(sum(parts)))
