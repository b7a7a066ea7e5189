"""Baselines score to the bit the same in any batch and partition, and equal items alike."""

import numpy as np
import pytest

from experiments.reproducibility.equal_scores import BASELINES, OF_TRAINING, baseline, faults
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scores


@pytest.mark.parametrize("num_items", [27, 53, 131])
@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_does_not_depend_on_company(name, num_items):
    scorer = baseline(name, num_items)
    known = name not in OF_TRAINING  # who had an item, and when, tells twins apart
    found, _ = faults(scorer, num_items, [2, 37, 64], twins_score_alike=known)
    assert found == []


def test_the_harness_sees_what_depends_on_the_batch_and_the_place():
    def scorer(histories, *_):
        scores = np.tile(np.arange(28.0), (len(histories), 1))
        return Scores(scores * (1 if len(histories) > 3 else -1), no_gates())

    found, _ = faults(scorer, 27, [2, 4])
    assert found == [
        "27 items: other scores in batches of 4",
        "27 items: 1 and 27 are equal, their scores are not",
        "27 items: 2 and 13 are equal, their scores are not",
        "27 items: 3 and 26 are equal, their scores are not",
        "27 items: other ranks in 60 partitions",
    ]
