"""A model as a scorer of histories."""

from collections.abc import Sequence

import numpy as np
import torch

from fedrec.data.times import pad_times, times_around
from fedrec.evaluation.gates import KINDS, POPULARITY, Sums, gate_sums
from fedrec.evaluation.leave_one_out import Scorer, Scores
from fedrec.models.recommender import Recommender, catalogue_of, device_of, score_next

BLOCK = 1 << 14  # items computed together


def model_scorer(model: Recommender, num_items: int, max_length: int) -> Scorer:
    """Score histories by a model; item embeddings are folded for output once, here.

    Args:
        model: The recommender; put into evaluation mode.
        num_items: V.
        max_length: How much of a history it reads; under the task "cloze" the next item, hidden
            behind the last one, is part of that.
    """
    longest = max_length - 1 if model.task == "cloze" else max_length
    model.eval()
    with torch.inference_mode():
        catalogue = catalogue_of(model, num_items)
        frequency = catalogue.table.frequency.cpu().numpy()

    def score(
        histories: Sequence[np.ndarray],
        users: np.ndarray | None = None,
        times: Sequence[np.ndarray] | None = None,
    ) -> Scores:
        rows = [history[-longest:] for history in histories]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        items = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        for number, row in enumerate(rows):
            items[number, : len(row)] = row
        laid = None
        if times is not None:
            around = [
                times_around(of, len(history) - len(row), len(row))
                for of, history, row in zip(times, histories, rows, strict=True)
            ]
            laid = torch.from_numpy(pad_times(around))
        device = device_of(model)
        with torch.inference_mode():
            scores, weights = score_next(
                model,
                catalogue,
                torch.from_numpy(items).to(device),
                torch.from_numpy(lengths).to(device),
                users,
                None if laid is None else laid.to(device),
                longest=longest,
            )
        gates = gate_sums(
            weights.cpu().numpy(),
            frequency=frequency[items],
            lengths=lengths * (items[:, 0] > 0),  # an empty training view has no item
            histories=np.array([len(history) for history in histories]),
        )
        return Scores(scores.cpu().numpy(), gates)

    return score


def catalogue_gates(model: Recommender, num_items: int) -> Sums:
    """Sum the gate weights (32, 1 + N) of every item of the catalogue, by its popularity.

    The weights of an item at the beginning of a sequence, without context, are those by which its
    output embedding is made (before smoothing). Cold items are among them.
    """
    model.eval()
    sums = np.zeros(())
    for start in range(1, num_items + 1, BLOCK):
        items = torch.arange(start, min(start + BLOCK, num_items + 1), device=device_of(model))
        first = torch.ones_like(items)
        with torch.inference_mode():
            table = model.look_up(items)
            # No time has to do with what the views weigh.
            times = (first.new_zeros(len(items), 3),) if model.needs_times else ()
            weights = model.encode(table, (items - start)[:, None], first, None, *times)[1]
        ones = first.cpu().numpy()
        frequency = table.frequency.cpu().numpy()[:, None]
        found = gate_sums(weights.cpu().numpy(), frequency=frequency, lengths=ones, histories=ones)
        sums = sums + found[KINDS.index(POPULARITY)]
    return sums
