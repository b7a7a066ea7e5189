"""The scheduled rate against torch's own schedule."""

import numpy as np
import pytest
import torch

from fedrec.training.schedule import scheduled_rate, set_scheduled_rate


@pytest.mark.parametrize(
    ("behind", "rate"), [(0, 0.8), (1, 0.6), (2, 0.4), (3, 0.2), (4, 0.0), (9, 0.0)]
)
def test_it_falls_in_a_straight_line_and_stays_at_0(behind, rate):
    assert scheduled_rate(0.8, 4, behind) == pytest.approx(rate, abs=1e-15)
    assert scheduled_rate(0.8, 0, behind) == 0.8


def test_an_optimiser_gets_the_rates_of_torchs_schedule():
    def sgd():
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)

    ours, theirs = sgd(), sgd()
    schedule = torch.optim.lr_scheduler.LinearLR(theirs, 1.0, 0.0, total_iters=5)
    for behind in range(8):
        set_scheduled_rate(ours, 5, behind)
        np.testing.assert_allclose(ours.param_groups[0]["lr"], theirs.param_groups[0]["lr"])
        theirs.step()
        schedule.step()
    set_scheduled_rate(ours, 5, 0)  # a round that is run again has its own rate again
    assert ours.param_groups[0]["lr"] == 0.3
