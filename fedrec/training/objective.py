"""Training objectives: the mean loss of a batch over the candidates of each target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fedrec.data.sequences import Sequences
from fedrec.models.losses import LossFunction, LossOptions
from fedrec.models.recommender import Recommender, device_of
from fedrec.randomness import generator
from fedrec.training.batches import Batch, rows_alike
from fedrec.training.dropout import draw_dropout_masks
from fedrec.training.native import batch_loss
from fedrec.training.negatives import own_negatives, shared_negatives
from fedrec.training.user_loss import find_loss

Objective = Callable[[Recommender, Batch, "StepSeeds"], Tensor]


@dataclass(frozen=True, kw_only=True)
class StepSeeds:
    """Seeds of the random streams of one local step, and how much is dropped.

    Attributes:
        seed: Seed of the run.
        round: Number of the round, from 1.
        step: Number of the step in the round, from 0.
        dropout: P of the masks.
        identity_dropout: Share of items shown without their identity.
        in_groups: Whether rows are encoded in groups alike in length, which saves padding.
    """

    seed: int
    round: int
    step: int
    dropout: float
    identity_dropout: float
    in_groups: bool = False

    def dropout_masks(
        self, users: np.ndarray, lengths: np.ndarray, num_masks: int, width: int
    ) -> Tensor | None:
        """Dropout masks (num_masks, B, L, D) or none; see ``draw_dropout_masks``."""
        return draw_dropout_masks(
            users,
            lengths,
            num_masks=num_masks,
            width=width,
            dropout=self.dropout,
            path=(self.round, self.step),
            seed=self.seed,
        )


def make_objective(
    name: str,
    *,
    training: Sequences,
    catalogue: np.ndarray,
    negatives: int,
    log_q: bool,
    calibration: float,
    own_history: str = "leave-out",
    uses_kernel: bool = False,
) -> Objective:
    """The loss of a batch as a function of model, batch and seeds.

    Args:
        name: Name of the loss; see ``fedrec.training.user_loss``.
        training: Training parts.
        catalogue: (C,) The items that users may be offered, ascending: all V of them, or those of
            the users' domain. Cold items are left out: they would be negatives again and again
            without ever being a target.
        negatives: K; BCE and BPR take 1 per position whatever K is, as SASRec does.
        log_q: Correct sampled softmax for the chance of an item to be drawn.
        calibration: T of gBCE.
        own_history: "leave-out": no item of a user's training history is a negative; "keep": all
            items but the target are.
        uses_kernel: Whether the kernel computes what it can.
    """
    options = LossOptions(
        num_candidates=len(catalogue),
        negatives=negatives,
        log_q=log_q,
        calibration=calibration,
        uses_kernel=uses_kernel,
    )
    keep = own_history == "keep"
    by_kernel = uses_kernel and name == "softmax"
    return objective_of(
        find_loss(name)(options), training, catalogue, keep=keep, by_kernel=by_kernel
    )


def objective_of(
    loss: LossFunction,
    training: Sequences,
    catalogue: np.ndarray,
    *,
    keep: bool = False,
    by_kernel: bool = False,
) -> Objective:
    """The mean of a loss over the targets of a batch.

    Args:
        loss: What targets are compared with, and how.
        training: Training parts of all users.
        catalogue: (C,) Items that users may be offered, ascending.
        keep: Whether items of a user's training history are negatives.
        by_kernel: Whether it is the softmax loss that the kernel computes for models it knows.
    """
    ways = {"all": _against_all, "shared": _against_shared, "own": _against_own}
    against, against_what = (
        ways[loss.candidates],
        _Candidates(loss, training, catalogue, keep, by_kernel),
    )
    return lambda model, batch, seeds: against(model, batch, seeds, against_what)


class _Candidates(NamedTuple):
    """What targets are compared with; the fields are the arguments of ``objective_of``."""

    loss: LossFunction
    training: Sequences
    catalogue: np.ndarray
    keep: bool
    by_kernel: bool

    def in_history(self, batch: Batch, items: np.ndarray, device: torch.device) -> Tensor:
        """(U, K) whether items (K,) are in the training history of each user of the batch."""
        seen = np.stack([np.isin(items, self.training.of(user)) for user in batch.targets_of])
        return torch.from_numpy(seen).to(device)

    def user_of_target(self, batch: Batch, device: torch.device) -> Tensor:
        """(M,) place of each target's user in ``in_history``."""
        counts = list(batch.targets_of.values())
        return torch.from_numpy(np.repeat(np.arange(len(counts)), counts)).to(device)


def _against_all(
    model: Recommender, batch: Batch, seeds: StepSeeds, candidates: _Candidates
) -> Tensor:
    loss, catalogue = candidates.loss, candidates.catalogue
    if candidates.by_kernel:
        draw = seeds.dropout_masks
        found = batch_loss(model, batch, draw, candidates.training, catalogue, candidates.keep)
        if found is not None:
            return found
    states, vectors, index_of = _forward(model, batch, seeds, np.append(0, catalogue))
    targets = index_of(batch.targets[batch.targets > 0]) - 1
    refused = rows = None
    if not candidates.keep:
        refused = candidates.in_history(batch, catalogue, vectors.device)
        rows = candidates.user_of_target(batch, vectors.device)
    return loss.of_targets(
        states,
        vectors[1:],
        targets,
        weights=_equal(states),
        refused=refused,
        refused_rows=rows,
    ).mean()


def _against_shared(
    model: Recommender, batch: Batch, seeds: StepSeeds, candidates: _Candidates
) -> Tensor:
    loss, catalogue = candidates.loss, candidates.catalogue
    drawn = shared_negatives(seeds.seed, seeds.round, seeds.step, len(catalogue), loss.negatives)
    negatives = catalogue[drawn - 1]
    targets = batch.targets[batch.targets > 0]
    needed = np.unique(np.concatenate([batch.items.ravel(), targets, negatives]))
    states, vectors, index_of = _forward(model, batch, seeds, needed)
    if candidates.keep:  # the target alone
        refused = torch.from_numpy(targets[:, None] == negatives).to(vectors.device)
    else:
        seen = candidates.in_history(batch, negatives, vectors.device)
        refused = seen[candidates.user_of_target(batch, vectors.device)]
    positives, others = vectors[index_of(targets)], vectors[index_of(negatives)]
    weights = _equal(states)
    return loss.of_targets(states, positives, others, refused=refused, weights=weights).mean()


def _against_own(
    model: Recommender, batch: Batch, seeds: StepSeeds, candidates: _Candidates
) -> Tensor:
    loss, targets = candidates.loss, batch.targets[batch.targets > 0]
    rows, first = [], 0
    for user, total in batch.targets_of.items():
        own = own_negatives(
            generator(seeds.seed, "negatives", seeds.round, seeds.step, user),
            candidates.training.of(user),
            candidates.catalogue,
            targets[first : first + total],
            loss.negatives,
            keep=candidates.keep,
        )
        rows.append(own)
        first += total
    negatives = np.concatenate(rows)
    needed = np.unique(np.concatenate([batch.items.ravel(), targets, negatives.ravel()]))
    states, vectors, index_of = _forward(model, batch, seeds, needed)
    positives, others = vectors[index_of(targets)], vectors[index_of(negatives)]
    if not model.scores_by_product:  # scores are products of vectors of length 1
        positives = model.pair_scores(states, positives).unsqueeze(-1)
        others = model.pair_scores(states.unsqueeze(-2), others).unsqueeze(-1)
        states = torch.ones_like(positives)
    return loss.of_targets(states, positives, others).mean()


def _equal(states: Tensor) -> Tensor:
    """The same weight (M,) for all targets, which lets log sum exp make its gradient at once."""
    return torch.ones_like(states[..., 0])


def _forward(
    model: Recommender, batch: Batch, seeds: StepSeeds, needed: np.ndarray
) -> tuple[Tensor, Tensor, Callable[[np.ndarray], Tensor]]:
    """States (M, D) where there is a target, vectors (K, D) of the needed items, item -> row."""
    device = device_of(model)

    def index_of(items: np.ndarray) -> Tensor:
        return torch.from_numpy(np.searchsorted(needed, items)).to(device)

    unknown = None
    if seeds.identity_dropout > 0:
        stream = generator(seeds.seed, "identity", seeds.round, seeds.step)
        dropped = stream.random(int(needed[-1]) + 1) < seeds.identity_dropout
        unknown = torch.from_numpy(dropped[needed]).to(device)
    table = model.look_up(torch.from_numpy(needed).to(device), unknown)
    lengths = torch.from_numpy(batch.lengths).to(device)
    dropout_masks = seeds.dropout_masks(
        batch.users, batch.lengths, model.num_dropout_masks, table.views.shape[-1]
    )
    if dropout_masks is not None:
        dropout_masks = dropout_masks.to(device)
    times = None if batch.times is None else torch.from_numpy(batch.times).to(device)
    indices, is_asked = index_of(batch.items), torch.from_numpy(batch.targets > 0).to(device)
    states = []
    groups = rows_alike(batch.lengths) if seeds.in_groups else [np.arange(len(batch.users))]
    for rows in groups:
        longest, where = int(batch.lengths[rows].max()), torch.from_numpy(rows).to(device)
        own, _ = model.encode_for(
            batch.users[rows],
            table,
            indices[where, :longest],
            lengths[where],
            None if dropout_masks is None else dropout_masks[:, where, :longest],
            None if times is None else times[where, : longest + 2],
        )
        states.append(own[is_asked[where, :longest]])
    return (
        torch.cat(states)[_order(groups, batch.counts, device)],
        model.output_vectors(table),
        index_of,
    )


def _order(groups: Sequence[np.ndarray], counts: np.ndarray, device: torch.device) -> Tensor:
    """(M,) Where each target of a batch, row by row, lies among the targets of its groups."""
    first = np.cumsum(counts) - counts
    places = [np.arange(first[row], first[row] + counts[row]) for rows in groups for row in rows]
    return torch.from_numpy(np.argsort(np.concatenate(places))).to(device)
