"""A model as a scorer of histories."""

from collections.abc import Sequence

import numpy as np
import torch

from fedrec.evaluation.held_out import Scorer, Scores
from fedrec.models.recommender import Recommender, catalogue_of, device_of, score_next


def model_scorer(model: Recommender, num_items: int, max_length: int) -> Scorer:
    """Scores by a model whose catalogue is folded once, here.

    Args:
        model: the recommender; put into evaluation mode.
        num_items: V.
        max_length: how much of a history it reads.
    """
    model.eval()
    with torch.inference_mode():
        catalogue = catalogue_of(model, num_items)

    def score(histories: Sequence[np.ndarray], users: np.ndarray | None = None) -> Scores:
        rows = [history[-max_length:] for history in histories]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        items = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        for number, row in enumerate(rows):
            items[number, : len(row)] = row
        device = device_of(model)
        with torch.inference_mode():
            scores, gates = score_next(
                model,
                catalogue,
                torch.from_numpy(items).to(device),
                torch.from_numpy(lengths).to(device),
                users,
            )
        return Scores(scores.cpu().numpy(), gates.cpu().numpy())

    return score
