"""The model of a run on a client: what one client does to it reaches no other client."""

import numpy as np
import pytest
import torch
from torch import nn

from clients.local_data import open_local_data
from clients.model import fresh_model
from fedrec.errors import ConfigError
from fedrec.factory.own_model import checked
from fedrec.models.sasrec import SASRec
from fedrec.training.frozen_buffers import frozen_buffers


class Counts(SASRec):
    """Remembers its calls beside its parameters; a constant buffer is fine."""

    def __init__(self, rows, encoder):
        super().__init__(rows, encoder)
        self.calls = 0
        self.register_buffer("scales", torch.ones(3))


def test_a_model_keeps_nothing_from_one_client_to_the_next(small_config):
    config = small_config({"model.name": f"{__name__}:Counts"})
    data = open_local_data(config, 0)
    frequency = np.zeros(data.dataset.catalog.num_items + 1, dtype=np.int64)
    model, _ = fresh_model(config, data, frequency)
    model.calls, model.cache = 7, torch.ones(2)
    model.scales += 1
    again, groups = fresh_model(config, data, frequency)
    assert again.calls == 0
    assert not hasattr(again, "cache")
    assert again.scales.tolist() == [1, 1, 1]
    assert set(groups.shared) == {name for name, _ in again.named_parameters()}


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.scales.add_(1),
        lambda model: setattr(model, "scales", model.scales + 1),
        lambda model: model.register_buffer("late", torch.ones(1)),
    ],
)
def test_training_that_writes_to_a_buffer_is_refused(make_tiny, change):
    model = make_tiny(name="sasrec")
    model.register_buffer("scales", torch.ones(3))
    message = "training changes the buffer '(scales|late)' of the model .* use nn.LayerNorm"
    with pytest.raises(ConfigError, match=message), frozen_buffers(model):
        change(model)


def test_constant_buffers_are_fine(make_tiny):
    model = make_tiny()
    with frozen_buffers(model):
        model.train()
        model.look_up(torch.arange(3))


@pytest.mark.parametrize("track", [True, False])
def test_running_statistics_are_refused_before_any_training(make_tiny, track):
    model = make_tiny(name="sasrec")
    model.norm = nn.BatchNorm1d(8, track_running_stats=track)
    if not track:  # statistics of the batch alone
        assert checked("mine:Model", model) is model
        return
    with pytest.raises(ConfigError, match=r"'mine:Model': .* 'running_mean' of norm"):
        checked("mine:Model", model)
